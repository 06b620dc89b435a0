//! Nothing secret is written, at the loudest trace.

use crate::{
    Gateway, KEY, Upstream,
    world::{Machine, private},
    write,
};

#[test]
fn neither_the_trace_nor_the_log_has_a_secret() {
    let upstream = Upstream::open();
    let machine = Machine::new().with("RUST_LOG", "trace");
    private(&machine.path("token"), "planted-token-77c1e0");
    let rules = "[log]\nformat = \"json\"\n[upstream.set_headers]\nx-token = { file = \"token\" }\n\
                 [routes]\n\"GET /paid\" = \"$0.002\"\n";
    write(&machine.path("farthing.toml"), &upstream, rules);
    let mut gateway = Gateway::start(machine, &[]);
    gateway.fund();
    gateway.pay("/paid?token=planted-query-11ab9f").ends(0);
    gateway.signal("TERM");
    gateway.ended();
    let log = gateway.log();
    assert!(log.contains("TRACE"), "the trace is on");
    assert!(log.contains("\"path\":\"/paid\""), "the log is on");
    let head = upstream.heads.lock().unwrap()[0].clone();
    assert!(
        head.contains("planted-token-77c1e0") && head.contains("planted-query-11ab9f"),
        "{head}"
    );
    let secret = std::fs::read_to_string(format!("{}-secret", gateway.says("store"))).unwrap();
    for planted in [
        "planted-token-77c1e0",
        "planted-query-11ab9f",
        KEY,
        secret.trim(),
        "payload",
    ] {
        let line = log.lines().find(|line| line.contains(planted));
        assert!(line.is_none(), "{planted} in {line:?}");
    }
}
