//! Every kind of input that triage promises to read: one line or log each, and what must be understood from it.

use flakescope::investigation::triage::{Triage, Triaged};

/// A failure as `class/phase`, a fact as `=key`, a failure that is normal as `~class/phase`, a session as `@tool`.
type Case = (&'static str, &'static str, &'static [&'static str]);

const CASES: &[Case] = &[
    // STM32CubeProgrammer, GUI
    (
        "gui seconds",
        "09:12:45 : USB speed : Full Speed (12MBit/s)\n09:13:33 : Error: Write failed at address: 0x8000000\n",
        &["@cubeprogrammer", "write-failed/write"],
    ),
    (
        "gui milliseconds",
        "23:42:45:901 : USB speed   : Full Speed (12MBit/s)\n23:42:46:012 : Error: Data read failed\n",
        &["read-failed/read"],
    ),
    (
        "gui without Error:",
        "16:26:40 : USB speed : Full Speed (12MBit/s)\n\n16:26:41 : failed to erase memory\n",
        &["erase-failed/erase"],
    ),
    (
        "gui blank line after each line",
        "10:00:00 : USB speed : Full Speed\n\n10:00:01 : Uploading Option Bytes bank: 0 failed\n\n",
        &["read-failed/option-bytes"],
    ),
    (
        "gui descriptor dump",
        "|_bLength : 0x12\n|_idVendor : 0x0483\n11:00:00 : USB speed : Full Speed\n11:00:01 : Error: Data read failed\n",
        &["read-failed/read"],
    ),
    (
        "gui register access",
        "10:00:00:001 :   r ap 0 @0x40023C14 0x00000004 bytes Data 0x0FFFAAED\n",
        &["=register-40023c14"],
    ),
    // STM32CubeProgrammer, command line
    (
        "cli banner and blocks",
        "   STM32CubeProgrammer v2.14.0\nST-LINK SN  : 066DFF49\nVoltage     : 3,26V\nFlash size  : 512 KBytes\n\u{2588}\u{2588}\u{2588} 50%\rError: failed to download Segment[0]\n",
        &["@cubeprogrammer", "=target-voltage-good", "write-failed/write"],
    ),
    ("cli under an ide prefix", "[build] Error: failed to erase memory\n", &["erase-failed/erase"]),
    (
        "cli no target",
        "Error: No STM32 target found! If your product embeds Debug Authentication, please perform a discovery using Debug Authentication\n",
        &["no-target/connect"],
    ),
    (
        "elapsed of its own line",
        "USB speed : Full Speed\nDownload in Progress:\nFile download complete\nTime elapsed during download operation: 00:00:00.069\nError: Data mismatch found at address 0x08000004\n",
        &["verify-failed/verify"],
    ),
    (
        "normal: no probe wanted",
        "ST-LINK error (DEV_CONNECT_ERR)\nUSB speed : Full Speed (12MBit/s)\nError: Data read failed\n",
        &["~no-probe/probe-open", "read-failed/read"],
    ),
    // The upgrade service
    (
        "fus over usb",
        "USB speed : Full Speed\nFUS state is FUS_ERROR\nFUS status is FUS_IMAGE_WRTERROR\n",
        &["fus-status/fus-state"],
    ),
    (
        "fus over swd",
        "Firmware Upgrade process started ...\nError: FUS_STATE_IMG_NOT_FOUND\n",
        &["fus-status/fus-upgrade"],
    ),
    (
        "normal: no image after a delete",
        "Deleting firmware ...\nFirmware delete finished\nFUS_STATE_IMG_NOT_FOUND\nError: FUS_STATE_ERR_UNKNOWN\n",
        &["~fus-status/fus-state", "fus-status/fus-state"],
    ),
    (
        "normal: blank part",
        "FUS state is SERVICE_ONGOING\nFUS status is FUS_IMAGE_NOT_FOUND\n",
        &["~fus-status/fus-state"],
    ),
    (
        "normal: lost after a delete",
        "USB speed : Full Speed\nFirmware delete finished\nWarning: Connection to device 0x495 is lost\n",
        &["~disconnected/unknown"],
    ),
    (
        "normal: lost after option bytes",
        "ST-LINK SN : 1\nOption Bytes successfully programmed\nWarning: Connection to device 0x450 is lost\n",
        &["~disconnected/unknown"],
    ),
    // Register dumps
    (
        "-r32 rows",
        "Device ID : 0x449\n0x40023C14 : 0FFFBBED 40000080\n",
        &["=read-out-protection-level", "=register-40023c18"],
    ),
    ("mdw", "STM32F429ZI\n0x40023874: 24000003 \n", &["=reset-flags", "=watchdog-reset-flag"]),
    ("gdb x", "STM32F429ZI\n0x40023c14:\t0x0fffaaed\n", &["=read-out-protection-level"]),
    // dfu-util
    (
        "normal: dfu-util lifts the protection",
        "dfu-util 0.8\nOpening DFU capable USB device...\nDfuSe interface name: \"Internal Flash  \"\nDevice disconnects, erases flash and resets now\n",
        &["@dfu-util", "~disconnected/read-unprotect"],
    ),
    (
        "normal: the program runs that was written",
        "dfu-util: Error during download get_status\nThe core resets by itself and runs the new program.\n",
        &["~stall/write"],
    ),
    ("normal: dfu-util at its end", "dfu-util: can't detach\n", &["~disconnected/leave"]),
    (
        "dfu-util 0.7 spelling",
        "dfu-util 0.7\nDetermining device status: state = dfuERROR, status = 10\ndfuERROR, clearing status\n",
        &["@dfu-util", "~dfu-status/status"],
    ),
    (
        "dfu-util 0.11 spelling",
        "dfu-util 0.11\nDetermining device status...\nDFU state(10) = dfuERROR, status(10) = Device's firmware is corrupt. It cannot return to run-time (non-DFU) operations\n",
        &["~dfu-status/status"],
    ),
    (
        "dfu-util progress",
        "Download\t[=====      ]  33%  1024 bytes\rDownload\t[======     ]  40%  2048 bytesdfu-util: Error during download (LIBUSB_ERROR_TIMEOUT)\n",
        &["timeout/write"],
    ),
    (
        "dfu-util quoted",
        "> > dfu-util: Cannot open DFU device 0483:df11 found on devnum 5 (LIBUSB_ERROR_ACCESS)\n",
        &["access-denied/open"],
    ),
    ("dfu-util indented", "        dfu-util: No DFU capable USB device available\n", &["not-found/enumerate"]),
    (
        "dfuse transfer",
        "dfu-util: dfuse_download: libusb_control_transfer returned -9 (LIBUSB_ERROR_PIPE)\n",
        &["stall/write"],
    ),
    (
        "normal: status after leave",
        "Download done.\nFile downloaded successfully\nSubmitting leave request...\ndfu-util: Error during download get_status\n",
        &["~disconnected/leave"],
    ),
    (
        "run-time mode",
        "dfu-util 0.11\nDevice really in Run-Time Mode, send DFU detach request...\ndfu-util: Lost device after RESET?\n",
        &["=dfu-runtime-mode", "disconnected/reset"],
    ),
    // OpenOCD
    (
        "openocd old",
        "Open On-Chip Debugger 0.9.0\nInfo : STLINK v2 JTAG v21 API v2 SWIM v4 VID 0x0483 PID 0x3748\nInfo : Target voltage: 1.204813\nError: init mode failed (unable to connect to the target)\n",
        &["@openocd", "low-voltage/target-voltage", "no-target/connect"],
    ),
    ("openocd new", "Error: [stm32f4x.cpu] timed out while waiting for target halted\n", &["not-halted/halt"]),
    ("openocd, a probe that hangs", "Error: libusb_bulk_write error: LIBUSB_ERROR_TIMEOUT\n", &["probe-fault/unknown"]),
    (
        "a file of another format",
        "$ dfu-util -a 0 -s 0x08000000 -D app.hex\n",
        &["=file-format-unfit", "other/image-file"],
    ),
    (
        "openocd, a script for another core",
        "Warn : UNEXPECTED idcode: 0x0bc11477\nError: expected 1 of 1: 0x0bb11477\n",
        &["id-mismatch/identify", "=target-script-does-not-fit"],
    ),
    ("openocd -d3", "Error: 270 49 stlink_usb.c:1672 stlink_usb_open(): open failed\n", &["no-probe/probe-open"]),
    (
        "openocd decorated",
        "** Programming Started **\nError: flash write failed just now\n** Programming Failed **\n",
        &["write-failed/write"],
    ),
    // ST-LINK Utility and CLI
    (
        "utility firmware",
        "ST-LINK Firmware version : V2J33M25 (Need Update)\nCan not connect to target!\n",
        &["@stlink-utility", "=probe-firmware-old", "no-target/connect"],
    ),
    (
        "utility frequencies",
        "SWD Frequency = 1,8 MHz.\nConnected via SWD.\nError occured during memory writing!\n",
        &["=swd-frequency-khz", "write-failed/write"],
    ),
    ("utility dialog", "Can not read memory!\nDisable Read Out Protection and retry.\n", &["protected/read"]),
    // stlink-org
    (
        "st-flash refuses a length",
        "st-flash 1.2.0\nError: Data length doesn't have a 32 bit alignment: +2 byte.\n",
        &["@stlink", "tool-failure/write"],
    ),
    (
        "stlink 1.2",
        "2016-09-24T16:15:33 WARN src/usb.c: Couldn't find any ST-Link/V2 devices\n",
        &["@stlink", "no-probe/probe-open"],
    ),
    ("stlink 1.5", "2019-07-27T18:43:38 ERROR flash_loader.c: flash loader run error\n", &["write-failed/write"]),
    (
        "stlink 1.8",
        "2024-11-24T14:13:04 WARN common.c: unknown chip id! 0x3748\n",
        &["id-mismatch/identify", "=chip-id"],
    ),
    (
        "a register's address instead of its value",
        "2017-03-13T01:22:48 WARN src/common.c: unknown chip id! 0xe0042000\n",
        &["no-target/identify"],
    ),
    (
        "programmed, then silent",
        "st-flash 1.4.0\n2018-02-18T15:12:39 INFO src/common.c: Flash written and verified! jolly good!\nst-flash 1.4.0\n2018-02-18T15:13:02 WARN src/common.c: unknown chip id! 0\n",
        &["no-target/identify", "=after-firmware-load"],
    ),
    ("normal: NRST not connected", "2022-03-01T10:00:00 INFO common.c: NRST is not connected\n", &["~other/reset"]),
    // probe-rs, cargo-flash, probe-run
    (
        "normal: probe-rs asks again",
        "     Running `probe-rs run --chip X a.elf`\n WARN probe_rs::probe::arm_debug_interface: DAP FAULT\n WARN probe_rs::probe::arm_debug_interface: Writing DAP register failed. Ctrl/Stat register value is: Ctrl {\n  Programming 100% [####]  76.25 KiB @   5.65 KiB/s (took 13s)\n    Finished in 15.16s\n",
        &["@probe-rs"],
    ),
    (
        "probe-rs tracing",
        " WARN probe_rs::probe::stlink: send_jtag_command 242 failed: SwdDpWait\n",
        &["@probe-rs", "swd-wait/connect"],
    ),
    (
        "probe-rs caused by",
        "Error: Connecting to the chip was unsuccessful.\n\nCaused by:\n    0: An error with the usage of the probe occurred\n    1: JtagGetIdcodeError\n",
        &["no-target/connect"],
    ),
    ("probe-run env_logger", "(HOST) ERROR the probe: Probe could not be opened\n", &["no-probe/probe-open"]),
    (
        "probe-rs report",
        "{\n  \"version\": \"0.24.0\",\n  \"error\": \"The firmware on the probe is outdated, and not supported by probe-rs.\"\n}\n",
        &["@probe-rs", "probe-firmware/probe-open"],
    ),
    // pyOCD
    (
        "pyocd of old, as root",
        "$ pyocd-flashtool -l\nNo available boards are connected\n$ sudo pyocd-flashtool -l\n0 => Microbit [nrf51] boardId => 99000000\n",
        &["no-probe/probe-open", "=works-with-sudo"],
    ),
    (
        "pyocd new",
        "0000412 C SWD/JTAG communication failure (No ACK received) [__main__]\n",
        &["@pyocd", "no-acknowledge/connect"],
    ),
    ("pyocd old", "0011426:ERROR:board:link exception: STLink error (9): Get IDCODE error\n", &["no-target/connect"]),
    // Black Magic
    (
        "bmp through gdb",
        "(gdb) monitor swdp_scan\nTarget voltage: 0.1V\nSW-DP scan failed!\n",
        &["@bmp", "no-target/connect"],
    ),
    ("bmda", "Black Magic Debug App v1.10.0\nError writing data to flash\n", &["write-failed/write"]),
    (
        "pystlink",
        " SUPPLY: 0.01V\n CORE:   CortexM3\n*** Supply voltage is 0.01V, but minimum for FLASH program or erase is 2.0V ***\n",
        &["low-voltage/target-voltage"],
    ),
    // The kernel in all prefixes
    (
        "dmesg",
        "[ 9685.451234] usb 1-2: device descriptor read/64, error -71\n",
        &["@kernel", "descriptor-failed/enumerate"],
    ),
    ("dmesg -H", "[  +0.146097] usb 3-2.2: device descriptor read/8, error -110\n", &["descriptor-failed/enumerate"]),
    (
        "syslog",
        "Apr 27 13:26:09 host kernel: [79595.192387] usb 1-3: device not accepting address 9, error -62\n",
        &["descriptor-failed/enumerate"],
    ),
    (
        "journal",
        "Apr 27 13:26:09 host kernel: usb usb1-port3: unable to enumerate USB device\n",
        &["not-enumerated/enumerate"],
    ),
    (
        "a serial bridge",
        "[ 72562.868] usb 1-4: New USB device found, idVendor=1a86, idProduct=7523, bcdDevice= 2.64\n",
        &["=serial-bridge-found"],
    ),
    ("error -32", "kernel: usb 2-1.5: device descriptor read/64, error -32\n", &["descriptor-failed/enumerate"]),
    ("error -84", "kernel: usb 2-1.5: device descriptor read/64, error -84\n", &["descriptor-failed/enumerate"]),
    ("over-current", "usb usb3-port1: over-current condition\n", &["no-power/enumerate"]),
    ("noise", "usb usb1-port2: disabled by hub (EMI?), re-enabling...\n", &["disconnected/wait"]),
    ("resets", "usb 2-1: reset full-speed USB device number 54 using ehci-pci\n", &["=host-resets-device"]),
    // Others
    (
        "stm32flash over I2C",
        "stm32flash 0.7\nWarning: Not a tty: /dev/i2c-1\nError: Failed to apply settings\nError probing interface \"serial_posix\"\nInterface i2c: addr 0x56\nWrote and verified address 0x08004268 (100.00%) Done.\n",
        &["@stm32loader"],
    ),
    (
        "qflipper announced",
        "1 [DBG] vvv ATTENTION: Ignore errors below until matching closing message. vvv\n2 [DBG] Failed to perform control transfer: LIBUSB_ERROR_NO_DEVICE\n3 [DBG] ^^^ ATTENTION: Ignore errors above. ^^^\n4 [RCY] ERROR: operation failed\n",
        &["@qflipper", "~disconnected/status"],
    ),
    ("webdfu", "SecurityError: Failed to execute 'open' on 'USBDevice': Access denied.\n", &["connect-failed/open"]),
    ("betaflight", "Failed to open serial port\n", &["connect-failed/open"]),
    (
        "qmk toolbox",
        "*** STM32 DFU device connected (NO DRIVER): STM32  BOOTLOADER (0483:DF11:2200)\n",
        &["driver-missing/open"],
    ),
    ("macos", "USBF: kIOReturnExclusiveAccess 0xe00002c5\n", &["busy/open"]),
    (
        "freebsd",
        "usbd_setup_device_desc: getting device descriptor at addr 2 failed, USB_ERR_IOERROR\n",
        &["descriptor-failed/enumerate"],
    ),
    (
        "windows code 43",
        "Windows has stopped this device because it has reported problems. (Code 43)\n",
        &["descriptor-failed/enumerate"],
    ),
    ("windows code 28", "The drivers for this device are not installed. (Code 28)\n", &["driver-missing/open"]),
    ("windows code 10", "This device cannot start. (Code 10)\n", &["descriptor-failed/descriptors"]),
    ("windows failed descriptor", "USB\\VID_0000&PID_0002\\5&1F\n", &["descriptor-failed/enumerate"]),
    (
        "lsusb",
        "Bus 005 Device 002: ID 0483:df11 STMicroelectronics STM Device in DFU Mode\ndfu-util: No DFU capable USB device available\n",
        &["=rom-listed", "not-found/enumerate"],
    ),
    ("pyusb", "usb.core.USBError: [Errno 32] Pipe error\n", &["stall/unknown"]),
];

fn understood(triaged: &Triaged) -> Vec<String> {
    let mut found: Vec<String> =
        triaged.verdict.failures.iter().map(|failure| format!("{}/{}", failure.class, failure.phase)).collect();
    found.extend(triaged.normal.iter().map(|(failure, _)| format!("~{}/{}", failure.class, failure.phase)));
    found.extend(triaged.facts.iter().map(|fact| format!("={}", fact.key)));
    found.extend(triaged.verdict.tools.iter().map(|tool| format!("@{tool}")));
    found
}

#[test]
fn every_promised_input_is_understood() {
    let triage = Triage::load().unwrap();
    let mut missing = Vec::new();
    for (name, log, expected) in CASES {
        let found = understood(&triage.report(name, &mut log.as_bytes()).unwrap());
        let not_found: Vec<_> = expected.iter().filter(|one| !found.contains(&(**one).to_owned())).collect();
        if !not_found.is_empty() {
            missing.push(format!("{name}: {not_found:?} not in {found:?}"));
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

const LOG: &str = "09:12:45 : USB speed   : Full Speed (12MBit/s)\n09:13:30 : Download in Progress:\n\
                   09:13:33 : Error: Write failed at address: 0x8000000\nIt doesn't work with my STM32F405\n";

/// The same log, however it was copied, gives the same failures at the same lines.
#[test]
fn however_a_log_was_copied_it_says_the_same() {
    let triage = Triage::load().unwrap();
    let failures = |bytes: &[u8]| {
        let triaged = triage.report("log", &mut &bytes[..]).unwrap();
        assert_eq!(triaged.verdict.device.as_deref(), Some("STM32F405"));
        let told = |failure: &flakescope::diagnosis::verdict::FailureLine| {
            format!("{}/{}@{:?} {:?}", failure.class, failure.phase, failure.line, failure.elapsed_ms)
        };
        triaged.verdict.failures.iter().map(told).collect::<Vec<_>>()
    };
    let plain = failures(LOG.as_bytes());
    assert!(plain.contains(&"write-failed/write@Some(3) Some(3000.0)".to_owned()), "{plain:?}");
    let units: Vec<u8> = LOG.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let coloured = LOG.replace("Error:", "\u{1b}[1;31mError:\u{1b}[0m");
    for (name, bytes) in [
        ("CRLF", LOG.replace('\n', "\r\n").into_bytes()),
        ("UTF-16", units.clone()),
        ("UTF-16 with a mark", [&[0xff, 0xfe], units.as_slice()].concat()),
        ("UTF-8 with a mark", [&[0xef, 0xbb, 0xbf], LOG.as_bytes()].concat()),
        ("terminal colours", coloured.into_bytes()),
        ("HTML entities", LOG.replace('\'', "&#39;").into_bytes()),
        ("typographic quotes", LOG.replace('\'', "\u{2019}").into_bytes()),
        ("wrong encoding", LOG.replace('\'', "\u{e2}\u{20ac}\u{2122}").into_bytes()),
        ("quoted mail", LOG.lines().map(|line| format!("> {line}\n")).collect::<String>().into_bytes()),
    ] {
        assert_eq!(failures(&bytes), plain, "{name}");
    }
}

#[test]
fn a_log_cut_off_anywhere_is_still_read() {
    let triage = Triage::load().unwrap();
    for end in 0..LOG.len() {
        triage.report("cut", &mut &LOG.as_bytes()[..end]).unwrap();
    }
    let cut = triage.report("cut", &mut &LOG.as_bytes()[..LOG.find("address").unwrap()]).unwrap();
    assert!(cut.verdict.failures.is_empty() || cut.verdict.failures[0].phase.to_string() == "write");
}
