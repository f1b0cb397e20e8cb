//! Options of `run` that would have no effect are refused, and nothing is run.

use super::program::{answer, flakescope};

#[test]
fn an_option_without_effect_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let write = ["--recipe", "write-verify", "--scratch", "0x0800C000", "--write", "--confirm", "1-1"];
    for (options, words) in [
        (&["--write"][..], "--write has no effect here: recipe dfu-read reads only"),
        (&["--confirm", "1-1"], "--confirm has no effect here"),
        (&["--part", "STM32F407VG"], "--part has no effect here"),
        (&["--scratch", "0x0800C000"], "--scratch has no effect here"),
        (&["--image", "x.bin"], "--image has no effect here"),
        (&["--release", "1.13.0"], "--release has no effect here"),
        (&["--keep-going"], "--keep-going has no effect here"),
        (
            &[&write[..], &["--release", "1.13.0"]].concat(),
            "--release has no effect here: recipe write-verify downloads no image",
        ),
        (&[&write[..], &["--part", "STM32F999"]].concat(), "no device profile knows the part `STM32F999`"),
        (&["--recipe", "fus-delete", "--write", "--scratch", "0x0800C000"], "recipe fus-delete uses no scratch sector"),
        (&["--ask"], "--ask has an effect with --guided or --hold-on-failure only"),
        (&["--vary", "transfer-size=64,64"], "`64` is given twice"),
        (&["--link", "swd", "--vary", "speed=4MHz,4000kHz"], "`4000kHz` is given twice"),
        (&["--vary", "transfer-size=64,128", "--vary", "transfer-size=256,512"], "transfer-size is varied twice"),
    ] {
        let run = ["run", "--headless", "--virtual", "healthy-f407", "--case", "x.case"];
        let refused = answer(flakescope().current_dir(folder.path()).args(run).args(options));
        refused.refused(2, &[words]);
    }
    assert!(!folder.path().join("x.case").exists());
}
