//! `cargo xtask contracts`: compiles the Solidity in `contracts/` with the pinned compiler.
//!
//! What the compiler makes is checked in, so that nobody needs it to build or to test. What is checked in
//! is compared with what the sources give whenever everything is tested. A contract has three files:
//! `NAME.json` is the compiler's own account of it (its interface, the settings, and the digest of each
//! source), the `.hex` ones are its code, as it is deployed and as it then runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::tools::packages::SOLC;
use crate::{Stop, exec, repo, unexpected};

/// Where the sources are, from the root. Each file in the folder itself is a contract of that name; those
/// below hold parts of them.
const SOURCES: &str = "contracts/src";

/// Where what they give is kept.
const ARTIFACTS: &str = "contracts/artifacts";

/// Warnings that are known, by the compiler's numbers: that transient storage outlives a call, which is
/// what it is used for.
const KNOWN_WARNINGS: [&str; 1] = ["2394"];

/// `cargo xtask contracts [--check]`.
pub(crate) fn run(args: &[String]) -> Result<(), Stop> {
    let check_only = match args {
        [] => false,
        [flag] if flag == "--check" => true,
        [other, ..] => return Err(unexpected(other)),
    };
    let compiler = SOLC.folder().map_err(Stop::Failed)?;
    if check_only {
        return check(&compiler).map_err(Stop::Failed);
    }
    let made = compile(&compiler).map_err(Stop::Failed)?;
    write(&repo::root().join(ARTIFACTS), &made).map_err(Stop::Failed)?;
    for name in made.keys() {
        println!("{ARTIFACTS}/{name}");
    }
    Ok(())
}

/// Compiles with the compiler in this folder, and fails when something else is checked in.
pub(crate) fn check(compiler: &Path) -> Result<(), String> {
    let differing = differing(&repo::root().join(ARTIFACTS), &compile(compiler)?)?;
    if differing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "not what the sources give: {}; run `cargo xtask contracts` and commit what it writes",
        differing.join(", ")
    ))
}

/// The files that the sources give, by their names.
type Artifacts = BTreeMap<String, String>;

fn compile(compiler: &Path) -> Result<Artifacts, String> {
    let folder = repo::root().join(SOURCES);
    let input = json!({
        "language": "Solidity",
        "sources": sources(&folder)?,
        "settings": settings(),
    });
    let mut solc = exec::program("node");
    let said = exec::answer(solc.arg(compiler.join("compile.mjs")), input.to_string())?;
    let output: Value = serde_json::from_str(&said)
        .map_err(|error| format!("the compiler did not answer with JSON: {error}"))?;
    refuse_warnings(&output)?;
    artifacts(&output)
}

/// What the code is made with. Every choice is said, so that another version of the compiler does not
/// choose for us.
fn settings() -> Value {
    json!({
        "viaIR": true,
        "optimizer": { "enabled": true, "runs": 200 },
        "evmVersion": "cancun",
        "outputSelection": {
            "*": { "*": ["metadata", "evm.bytecode.object", "evm.deployedBytecode.object"] },
        },
    })
}

/// The sources, by their paths from their folder.
fn sources(folder: &Path) -> Result<Map<String, Value>, String> {
    let mut found = Map::new();
    for path in solidity(folder)? {
        let text = fs::read_to_string(&path).map_err(|error| wrong(&path, &error))?;
        let name = path.strip_prefix(folder).unwrap_or(&path);
        let name: Vec<_> = name.iter().map(|part| part.to_string_lossy()).collect();
        found.insert(name.join("/"), json!({ "content": text }));
    }
    Ok(found)
}

fn solidity(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| wrong(folder, &error))? {
        let path = entry.map_err(|error| wrong(folder, &error))?.path();
        if path.is_dir() {
            found.extend(solidity(&path)?);
        } else if path.extension().is_some_and(|ending| ending == "sol") {
            found.push(path);
        }
    }
    Ok(found)
}

/// A warning fails as an error does, as everywhere here.
fn refuse_warnings(output: &Value) -> Result<(), String> {
    let all = output["errors"].as_array().map_or(&[][..], Vec::as_slice);
    let said = all
        .iter()
        .filter(|said| !KNOWN_WARNINGS.iter().any(|code| said["errorCode"] == *code));
    let said: Vec<&str> = said
        .filter_map(|said| said["formattedMessage"].as_str())
        .collect();
    if said.is_empty() {
        return Ok(());
    }
    Err(format!("the compiler said:\n{}", said.join("\n")))
}

fn artifacts(output: &Value) -> Result<Artifacts, String> {
    let files = output["contracts"].as_object();
    let files = files.ok_or("the compiler made nothing")?;
    let mut made = Artifacts::new();
    for (file, contracts) in files {
        let Some(name) = file.strip_suffix(".sol").filter(|name| !name.contains('/')) else {
            continue;
        };
        let contract = &contracts[name];
        let text = |value: &Value| {
            let text = value.as_str().filter(|text| !text.is_empty());
            text.map(str::to_owned)
                .ok_or_else(|| format!("{file} has no contract `{name}`"))
        };
        let creation = text(&contract["evm"]["bytecode"]["object"])?;
        let runtime = text(&contract["evm"]["deployedBytecode"]["object"])?;
        let metadata = text(&contract["metadata"])?;
        made.insert(format!("{name}.json"), format!("{metadata}\n"));
        made.insert(format!("{name}.creation.hex"), format!("0x{creation}\n"));
        made.insert(format!("{name}.runtime.hex"), format!("0x{runtime}\n"));
    }
    Ok(made)
}

/// Puts the files into a folder, and takes out what no source gives any more.
fn write(folder: &Path, made: &Artifacts) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| wrong(folder, &error))?;
    for name in differing(folder, made)? {
        let path = folder.join(&name);
        let done = match made.get(&name) {
            Some(text) => fs::write(&path, text),
            None => fs::remove_file(&path),
        };
        done.map_err(|error| wrong(&path, &error))?;
    }
    Ok(())
}

/// The names of what is not in the folder as it was made, and of what is in it and was not made.
fn differing(folder: &Path, made: &Artifacts) -> Result<Vec<String>, String> {
    let mut names: Vec<String> = Vec::new();
    for (name, text) in made {
        if fs::read_to_string(folder.join(name)).ok().as_ref() != Some(text) {
            names.push(name.clone());
        }
    }
    for entry in fs::read_dir(folder).map_err(|error| wrong(folder, &error))? {
        let entry = entry.map_err(|error| wrong(folder, &error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !made.contains_key(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

fn wrong(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_sources_do_not_give_is_found_and_mended() {
        let folder =
            std::env::temp_dir().join(format!("farthing-artifacts-{}", std::process::id()));
        let made = |text: &str| Artifacts::from([("A.json".to_owned(), text.to_owned())]);
        write(&folder, &made("one")).unwrap();
        assert!(differing(&folder, &made("one")).unwrap().is_empty());
        fs::write(folder.join("B.json"), "").unwrap();
        let names = differing(&folder, &made("two")).unwrap();
        assert_eq!(names, ["A.json", "B.json"]);
        write(&folder, &made("two")).unwrap();
        assert!(differing(&folder, &made("two")).unwrap().is_empty());
        assert!(!folder.join("B.json").exists());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_warning_that_is_not_known_fails() {
        let said = |code: &str| {
            let said = json!({ "errorCode": code, "formattedMessage": "Warning: x" });
            refuse_warnings(&json!({ "errors": [said] }))
        };
        said("2394").unwrap();
        assert!(said("2072").unwrap_err().contains("Warning: x"));
        refuse_warnings(&json!({})).unwrap();
    }

    #[test]
    fn a_contract_is_the_one_its_file_is_named_after() {
        let code = json!({ "object": "6000" });
        let contract =
            json!({ "metadata": "{}", "evm": { "bytecode": code, "deployedBytecode": code } });
        let contracts = json!({ "contracts": {
            "A.sol": { "A": contract, "IHelp": {} },
            "parts/B.sol": { "B": contract },
        }});
        let made = artifacts(&contracts).unwrap();
        let names: Vec<&String> = made.keys().collect();
        assert_eq!(names, ["A.creation.hex", "A.json", "A.runtime.hex"]);
        assert_eq!(made["A.runtime.hex"], "0x6000\n");
        let other = json!({ "contracts": { "A.sol": { "B": contract } } });
        assert!(artifacts(&other).is_err());
    }
}
