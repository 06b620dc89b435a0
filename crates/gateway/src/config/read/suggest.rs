//! What somebody probably meant.

/// The word that is nearest to another, where one is near.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let word = fold(word);
    if word.chars().count() > 40 {
        return None;
    }
    known
        .iter()
        .map(|known| (distance(&word, &fold(known)), *known))
        .filter(|(distance, known)| *distance * 3 <= known.len().max(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

fn fold(word: &str) -> String {
    word.to_ascii_lowercase().replace('-', "_")
}

/// How many letters have to be put in, taken out, changed or swapped with their neighbour.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut rows = vec![vec![0; other.len() + 1]; one.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=one.len() {
        for j in 1..=other.len() {
            let change = usize::from(one[i - 1] != other[j - 1]);
            let mut best = (rows[i - 1][j] + 1)
                .min(rows[i][j - 1] + 1)
                .min(rows[i - 1][j - 1] + change);
            let swapped =
                i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1];
            if swapped {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_near_and_nothing_else() {
        let known = ["price", "settle", "retryable", "bind_body", "to"];
        let check = |word: &str, expect: Option<&str>| {
            assert_eq!(nearest(word, &known), expect, "{word}");
        };
        check("prise", Some("price"));
        check("pirce", Some("price"));
        check("Settle", Some("settle"));
        check("retriable", Some("retryable"));
        check("bind-body", Some("bind_body"));
        check("t0", Some("to"));
        check("colour", None);
        check("", None);
    }
}
