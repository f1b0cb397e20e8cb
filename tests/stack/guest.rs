//! One emulated boot of a stock Debian kernel: builds the image, runs every case's script in it, and cuts the console into sections.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::said::Judged;
pub use crate::said::{Said, golden};

/// Something to run in the guest, and what has to come of it.
pub struct Case {
    /// One word; it also marks the case's section of the console.
    pub name: String,
    /// Shell, in the guest. Boards that it plugs in are unplugged afterwards.
    script: String,
    pub check: Check,
    /// After which the case is ended, in seconds of the guest.
    deadline: u32,
}

pub type Check = Box<dyn Fn(&Said) -> Judged + Send + Sync>;

impl Case {
    pub fn new(
        name: impl Into<String>,
        script: impl Into<String>,
        check: impl Fn(&Said) -> Judged + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), script: script.into(), check: Box::new(check), deadline: 240 }
    }

    #[must_use]
    pub fn within(self, deadline: u32) -> Self {
        Self { deadline, ..self }
    }
}

/// A file below `/given` of the guest.
pub struct Given {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// What the guest said, by case.
pub struct Transcript {
    sections: BTreeMap<String, Said>,
}

/// In the order in which they have to be loaded.
const MODULES: [&str; 5] = ["usb-common", "usbcore", "usbip-core", "vhci-hcd", "usbmon"];
/// Third parties, as Debian ships them.
const PROGRAMS: [&str; 7] = ["busybox", "dfu-util", "usbip", "tmux", "openocd", "st-info", "st-flash"];
/// What they want besides libraries: scripts, names of vendors, the kinds of terminal, how UTF-8 is written.
const DATA: [&str; 5] = [
    "/usr/share/openocd/scripts",
    "/usr/share/misc/usb.ids",
    "/lib/terminfo/t",
    "/lib/terminfo/s",
    "/usr/lib/locale/C.utf8",
];

const INIT: &str = r#"#!/bin/busybox sh
/bin/busybox mkdir -p /usr/bin /usr/sbin /sbin
/bin/busybox --install -s /bin 2>/dev/null
export PATH=/bin LD_LIBRARY_PATH=/lib/x86_64-linux-gnu:/lib64 RUST_BACKTRACE=1 NO_COLOR=1 LC_ALL=C.UTF-8 HOME=/tmp
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t tmpfs tmp /tmp
mkdir -p /dev/pts /var/run; mount -t devpts pts /dev/pts; mount -t debugfs debug /sys/kernel/debug; ip link set lo up
for module in $(cat /modules/order); do insmod /modules/$module.ko; done
sh /cases.sh
poweroff -f
"#;

/// For the guest's programs, and an ordinary user.
const PASSWD: &str = "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/tmp:/bin/sh\n";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where `prepare.sh` puts the kernel.
fn cache() -> PathBuf {
    std::env::var_os("FLAKESCOPE_GUEST").map_or_else(|| root().join("target/guest"), PathBuf::from)
}

/// What keeps the lane from running, with the way to get it.
pub fn what_is_missing() -> Option<String> {
    let tools = ["qemu-system-x86_64", "cpio", "strip", "ldd", "timeout"];
    let mut tools = tools.iter().chain(&PROGRAMS);
    let absent = tools.find(|tool| find_program(tool).is_none()).map(|tool| (*tool).to_owned());
    let files = MODULES.map(|module| format!("modules/{module}.ko"));
    let is_absent = |file: &str| !cache().join(file).exists();
    let kernel = || {
        let lacks = is_absent("vmlinux") || files.iter().any(|file| is_absent(file));
        lacks.then(|| "a guest kernel".to_owned())
    };
    absent.or_else(kernel).map(|what| format!("{what}: run tests/stack/prepare.sh"))
}

fn find_program(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    // Debian puts some where only root's path looks.
    let folders = std::env::split_paths(&folders).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Boots once and runs the cases.
pub fn boot(number: usize, cases: &[Case], given: &[Given]) -> Result<Transcript, String> {
    if cases.is_empty() {
        return Ok(Transcript { sections: BTreeMap::new() });
    }
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let image = folder.path().join("guest.cpio");
    build_image(&folder.path().join("root"), &image, &script(cases), given)?;
    let console = run_emulator(&image, &cache().join(format!("console-{number}.log")))?;
    let transcript = Transcript::cut(&console);
    if transcript.sections.is_empty() {
        return Err(format!("the guest came to no case; its console:\n{console}"));
    }
    Ok(transcript)
}

/// What the guest runs: every case with its own deadline.
fn script(cases: &[Case]) -> String {
    let of_case = |Case { name, script, deadline, .. }: &Case| {
        format!(
            "echo '@@case {name}'\ncat > /tmp/case.sh <<'END'\n. /given/helpers.sh\n{script}\nEND\n\
             setsid timeout {deadline} sh /tmp/case.sh > /tmp/said 2>&1 & group=$!\n\
             wait $group; code=$?; kill -9 -$group 2>/dev/null; cat /tmp/said\n\
             echo \"@@end {name} $code $(cut -d' ' -f1 /proc/uptime)\"\nsh /given/after.sh\n"
        )
    };
    cases.iter().map(of_case).collect()
}

fn build_image(tree: &Path, image: &Path, script: &str, given: &[Given]) -> Result<(), String> {
    for folder in ["bin", "proc", "sys", "dev", "tmp", "run", "etc", "modules", "given"] {
        fs::create_dir_all(tree.join(folder)).map_err(|error| error.to_string())?;
    }
    // Ordinary users in the guest have to come through the root folder.
    fs::set_permissions(tree, fs::Permissions::from_mode(0o755)).map_err(|error| error.to_string())?;
    for name in PROGRAMS {
        let program = find_program(name).ok_or_else(|| format!("{name} is not installed"))?;
        add_program(tree, &program, name)?;
    }
    let ours = tree.join("bin/flakescope");
    add_program(tree, Path::new(env!("CARGO_BIN_EXE_flakescope")), "flakescope")?;
    run(Command::new("strip").arg("--strip-debug").arg(ours))?;
    for module in MODULES {
        let file = format!("{module}.ko");
        copy(&cache().join("modules").join(&file), &tree.join("modules").join(&file))?;
    }
    write_executable(&tree.join("init"), INIT)?;
    write(&tree.join("modules/order"), MODULES.join("\n").as_bytes())?;
    for data in DATA {
        copy_all(Path::new(data), &tree.join(data.trim_start_matches('/')))?;
    }
    for Given { name, bytes } in given {
        write(&tree.join("given").join(name), bytes)?;
    }
    write(&tree.join("cases.sh"), script.as_bytes())?;
    write(&tree.join("etc/passwd"), PASSWD.as_bytes())?;
    let pack = format!("find . | cpio --quiet -o -H newc > '{}'", image.display());
    run(Command::new("sh").arg("-c").arg(pack).current_dir(tree))
}

/// A program with the shared libraries that it names.
fn add_program(tree: &Path, program: &Path, name: &str) -> Result<(), String> {
    copy(program, &tree.join("bin").join(name))?;
    let listed = Command::new("ldd").arg(program).output().map_err(|error| error.to_string())?;
    for word in String::from_utf8_lossy(&listed.stdout).split_whitespace().filter(|word| word.starts_with('/')) {
        let inside = tree.join(word.trim_start_matches('/'));
        if !inside.exists() {
            fs::create_dir_all(inside.parent().unwrap()).map_err(|error| error.to_string())?;
            copy(Path::new(word), &inside)?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    fs::copy(from, to).map(|_| ()).map_err(|error| format!("{} to {}: {error}", from.display(), to.display()))
}

/// A file, or a folder with everything in it.
fn copy_all(from: &Path, to: &Path) -> Result<(), String> {
    fs::create_dir_all(to.parent().unwrap()).map_err(|error| error.to_string())?;
    run(Command::new("cp").arg("-rL").arg(from).arg(to))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::write(path, bytes).map_err(|error| format!("{}: {error}", path.display()))
}

fn write_executable(path: &Path, text: &str) -> Result<(), String> {
    write(path, text.as_bytes())?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(|error| format!("{}: {error}", path.display()))
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))
    }
}

/// What `timeout` ends with.
const TIMED_OUT: i32 = 124;

/// Emulation only: KVM that initialises and then hangs is known. The deadline ends a guest that hangs; a quiet computer needs
/// a third of it. The console can be followed while the guest runs.
fn run_emulator(image: &Path, console: &Path) -> Result<String, String> {
    let output = Command::new("timeout")
        .args(["900", "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-M", "q35", "-smp", "1", "-m", "512"])
        .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial"])
        .arg(format!("file:{}", console.display()))
        .arg("-kernel")
        .arg(cache().join("vmlinux"))
        .arg("-initrd")
        .arg(image)
        .args(["-append", "console=ttyS0 panic=-1 quiet loglevel=1"])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    let said = fs::read(console).map_err(|error| format!("{}: {error}", console.display()))?;
    let said = String::from_utf8_lossy(&said).replace('\r', "");
    // The cases that were done before the deadline can still be judged.
    if output.status.success() || output.status.code() == Some(TIMED_OUT) {
        return Ok(said);
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(format!("the emulator ended with {}: {complaint}\n{said}", output.status))
}

impl Transcript {
    /// `@@case NAME` and `@@end NAME CODE UPTIME` stand around what each case printed.
    fn cut(console: &str) -> Self {
        let mut sections = BTreeMap::new();
        let mut text = String::new();
        for line in console.lines() {
            let mut words = line.split_whitespace();
            match (words.next(), words.next(), words.next()) {
                (Some("@@case"), ..) => text.clear(),
                (Some("@@end"), Some(name), Some(code)) => {
                    let said = Said { code: code.parse().unwrap_or(-1), text: std::mem::take(&mut text) };
                    sections.insert(name.to_owned(), said);
                }
                _ => {
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
        Self { sections }
    }

    pub fn section(&self, name: &str) -> Option<&Said> {
        self.sections.get(name)
    }
}
