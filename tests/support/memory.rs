//! What a process holds in memory: <https://docs.kernel.org/filesystems/proc.html>.

/// What a process has allocated and touched, in KiB. Not all of its resident set: the rest is code, of which a page
/// comes in when it is first run, however late that is.
pub fn allocated(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}
