//! What a process holds in memory, as Linux tells it; elsewhere nothing is known.

/// Now, in MiB.
pub(super) fn resident(id: u32) -> u64 {
    of(id, "VmRSS:")
}

/// The most there ever was, in MiB: what was given back in between counts too.
pub(super) fn most(id: u32) -> u64 {
    of(id, "VmHWM:")
}

#[cfg(target_os = "linux")]
fn of(id: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.expect("a number of KiB") / 1024
}

#[cfg(not(target_os = "linux"))]
fn of(_id: u32, _name: &str) -> u64 {
    0
}
