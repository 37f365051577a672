//! What a process holds in memory: <https://docs.kernel.org/filesystems/proc.html>.

/// What a process has allocated and touched, in KiB.
///
/// Less than all of its resident set: the rest is code, of which a page comes in when it first
/// runs, however late that is.
pub fn allocated(process: u32) -> u64 {
    status(process, "RssAnon:")
}

/// The most memory that a process had at a time, in KiB.
pub fn peak(process: u32) -> u64 {
    status(process, "VmHWM:")
}

fn status(process: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let value = status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap();
    let kib = value.trim().strip_suffix(" kB").unwrap();
    kib.parse().unwrap()
}
