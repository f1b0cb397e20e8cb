//! One emulated boot of a stock Debian kernel: builds the image, runs every case's script in it, and cuts the console into sections.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cases;

/// What the guest said, by case.
pub struct Transcript {
    sections: BTreeMap<String, Section>,
}

/// The output of one case.
pub struct Section {
    pub code: i32,
    pub text: String,
}

/// In the order in which they have to be loaded.
const MODULES: [&str; 4] = ["usb-common", "usbcore", "usbip-core", "vhci-hcd"];

const INIT: &str = r#"#!/bin/busybox sh
/bin/busybox mkdir -p /usr/bin /usr/sbin /sbin
/bin/busybox --install -s /bin 2>/dev/null
export PATH=/bin LD_LIBRARY_PATH=/lib/x86_64-linux-gnu:/lib64 RUST_BACKTRACE=1 NO_COLOR=1 HOME=/tmp
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t tmpfs tmp /tmp
for module in usb-common usbcore usbip-core vhci-hcd; do insmod /modules/$module.ko; done
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
    let tools = ["qemu-system-x86_64", "busybox", "cpio", "dfu-util", "strip", "ldd", "timeout"];
    let absent = tools.iter().find(|tool| find_program(tool).is_none()).map(|tool| (*tool).to_owned());
    let kernel = || (!cache().join("vmlinux").exists()).then(|| "a guest kernel".to_owned());
    absent.or_else(kernel).map(|what| format!("{what}: run tests/stack/prepare.sh"))
}

fn find_program(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Boots once and runs every case.
pub fn boot() -> Result<Transcript, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let image = folder.path().join("guest.cpio");
    build_image(&folder.path().join("root"), &image)?;
    let console = run_emulator(&image)?;
    // For whoever wants to see everything that the guest said.
    let _ = fs::write(cache().join("console.log"), &console);
    let transcript = Transcript::cut(&console);
    if transcript.sections.is_empty() {
        return Err(format!("the guest came to no case; its console:\n{console}"));
    }
    Ok(transcript)
}

fn build_image(tree: &Path, image: &Path) -> Result<(), String> {
    for folder in ["bin", "proc", "sys", "dev", "tmp", "run", "etc", "modules"] {
        fs::create_dir_all(tree.join(folder)).map_err(|error| error.to_string())?;
    }
    // Ordinary users in the guest have to come through the root folder.
    fs::set_permissions(tree, fs::Permissions::from_mode(0o755)).map_err(|error| error.to_string())?;
    for name in ["busybox", "dfu-util"] {
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
    write_executable(&tree.join("cases.sh"), &cases::script())?;
    fs::write(tree.join("etc/passwd"), PASSWD).map_err(|error| error.to_string())?;
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

fn write_executable(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o755)))
        .map_err(|error| format!("{}: {error}", path.display()))
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))
    }
}

/// Emulation only: KVM that initialises and then hangs is known. The deadline ends a guest that hangs.
fn run_emulator(image: &Path) -> Result<String, String> {
    let output = Command::new("timeout")
        .args(["290", "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-M", "q35", "-smp", "1", "-m", "512"])
        .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio"])
        .arg("-kernel")
        .arg(cache().join("vmlinux"))
        .arg("-initrd")
        .arg(image)
        .args(["-append", "console=ttyS0 panic=-1 quiet loglevel=1"])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    let console = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    if output.status.success() {
        return Ok(console);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("the emulator ended with {}: {said}\n{console}", output.status))
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
                    let section = Section { code: code.parse().unwrap_or(-1), text: std::mem::take(&mut text) };
                    sections.insert(name.to_owned(), section);
                }
                _ => {
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
        Self { sections }
    }

    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.get(name)
    }
}
