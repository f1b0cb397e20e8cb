//! The `usbip` tool, as Debian ships it, against `flakescope bench serve` over TCP.

use crate::guest::Case;

/// A server on loopback with somebody at the switches of its boards.
const SERVE: &str = r#"
serve() {
    rm -f /tmp/hand; mkfifo /tmp/hand
    flakescope bench serve "$@" --control < /tmp/hand > /tmp/serve.log 2>&1 &
    server=$!
    exec 9> /tmp/hand
    for i in $(seq 100); do usbip list -r 127.0.0.1 2>/dev/null | grep -q 'df11' && return; sleep 0.1; done
    echo 'nothing is offered'; cat /tmp/serve.log; exit 99
}
await_board() { for i in $(seq 100); do [ -e "$devices/1-$1:1.0" ] && return; sleep 0.1; done; echo "1-$1 did not come"; }
end() { kill $server; cat /tmp/serve.log; }
"#;

fn case(name: &str, script: &str, check: fn(&crate::guest::Said) -> Result<(), String>) -> Case {
    Case::new(name, format!("{SERVE}{script}"), check)
}

pub fn cases() -> Vec<Case> {
    vec![
        // The ROM of the third board waits 2.6 s for a crystal before it turns to USB.
        case(
            "usbip_lists_and_attaches_several_boards",
            "serve healthy-f407 /given/f74x.toml healthy-l476
for n in $(seq 50); do usbip list -r 127.0.0.1 | grep -q 1-3: && break; sleep 0.2; done
usbip list -r 127.0.0.1
for n in 1 2; do usbip attach -r 127.0.0.1 -b 1-$n; await_board $n; done
usbip attach -r 127.0.0.1 -b 1-1 || echo 'busy for another'
usbip list -r 127.0.0.1 | grep -c df11
dfu-util -l
dfu-util -p 1-1 -a 0 -s 0x08000000:65536 -U /tmp/a.bin > /tmp/out 2>&1 || cat /tmp/out
dd if=/given/f407-flash.bin bs=65536 count=1 2>/dev/null | cmp - /tmp/a.bin && echo 'the same bytes'
usbip port
usbip detach -p 0; await_gone 1-1
usbip list -r 127.0.0.1 | grep df11
end",
            |said| {
                said.all(&[
                    "1-1: STMicroelectronics : STM Device in DFU Mode (0483:df11)",
                    "1-3: STMicroelectronics : STM Device in DFU Mode (0483:df11)",
                    "Application Specific Interface / Device Firmware Update",
                    "busy for another",
                    "path=\"1-1\", alt=0, name=\"@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg\"",
                    "path=\"1-2\", alt=0, name=\"@Internal Flash  /0x08000000/04*032Kg,01*128Kg,03*256Kg\"",
                    "the same bytes",
                    "Port 00: <Port in Use> at Full Speed(12Mbps)",
                    "1-1 healthy-f407 was detached",
                ])?;
                // 1-1 comes back into the list after its detach.
                said.times(2, "1-1: STMicroelectronics")
            },
        ),
        case(
            "a_board_that_says_nak_for_ever_is_timed_out_and_taken_back",
            "serve /given/stuck-word.toml
usbip attach -r 127.0.0.1 -b 1-1; await_board 1
cat /sys/kernel/debug/usb/usbmon/1u > /tmp/usbmon & watcher=$!
timeout 20 dfu-util -a 0 -s 0x08000000:1024 -U /tmp/a.bin
kill $watcher; echo \"taken back with $(awk '$3==\"C\" && $4 !~ /:001:/ && $5<0 {print $5}' /tmp/usbmon | sort -u | tr '\\n' ' ')\"
usbip detach -p 0; await_gone 1-1
end",
            |said| {
                said.has("LIBUSB_ERROR_TIMEOUT")?;
                // An UNLINK that was not answered with -ECONNRESET would leave the request, and dfu-util, hanging.
                said.has("taken back with -2")?;
                said.has("1-1 stuck-word was detached")
            },
        ),
        case(
            "a_refusal_over_tcp_is_a_stall",
            "serve /given/protected.toml
usbip attach -r 127.0.0.1 -b 1-1; await_board 1
dfu-util -a 0 -s 0x08000000:1024 -U /tmp/a.bin
end",
            |said| said.has("LIBUSB_ERROR_PIPE"),
        ),
        case(
            "an_unplug_and_a_replug_over_tcp",
            "serve healthy-f407
usbip attach -r 127.0.0.1 -b 1-1; await_board 1
(await_session 0; sleep 0.3; hand off 1-1) &
dfu-util -a 0 -s 0x08000000:1048576 -U /tmp/a.bin
await_gone 1-1
usbip list -r 127.0.0.1 2>&1 | grep -c df11
hand on 1-1; sleep 1
usbip list -r 127.0.0.1 | grep df11
usbip attach -r 127.0.0.1 -b 1-1; await_board 1
dfu-util -a 0 -s 0x08000000:16384 -U /tmp/b.bin > /tmp/out 2>&1 || cat /tmp/out
dd if=/given/f407-flash.bin bs=16384 count=1 2>/dev/null | cmp - /tmp/b.bin && echo 'the same bytes'
end",
            |said| {
                said.has("LIBUSB_ERROR_NO_DEVICE")?;
                said.all(&["\n0\n", "1-1: STMicroelectronics", "the same bytes", "1-1 healthy-f407 left the bus"])
            },
        ),
        case(
            "hostile_clients_cost_neither_the_server_nor_its_memory",
            "serve healthy-f407 healthy-f407
for i in $(seq 20); do head -c 20000 /dev/urandom | nc -w 1 127.0.0.1 3240 > /dev/null 2>&1; done
# Imports, and then a transfer of 4 GiB.
import() { printf '\\1\\21\\200\\3\\0\\0\\0\\0'; printf '1-1'; head -c 29 /dev/zero; }
for i in $(seq 5); do
    (import; printf '\\0\\0\\0\\1\\0\\0\\0\\1\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\377\\377\\377\\377'; head -c 20 /dev/zero; head -c 100000 /dev/zero) | nc -w 1 127.0.0.1 3240 > /dev/null 2>&1
done
# More connections than there is room for, silent and half open.
for i in $(seq 60); do (sleep 3 | nc 127.0.0.1 3240 > /dev/null 2>&1) & done; sleep 5
usbip list -r 127.0.0.1 | grep df11
echo \"peak $(awk '/VmHWM/ { print $2 }' /proc/$server/status) kB\"
usbip attach -r 127.0.0.1 -b 1-2; await_board 1; dfu-util -l | grep -c Found
end",
            |said| {
                said.all(&["1-1: STMicroelectronics", "1-2: STMicroelectronics", "is more than any request"])?;
                said.has("a client was sent away: too many at once")?;
                said.has("\n4\n")?;
                let peak: u32 = said.value("peak")?.trim_end_matches(" kB").parse().map_err(|_| "no peak".to_owned())?;
                if peak < 64 * 1024 { Ok(()) } else { Err(format!("the server took {peak} kB")) }
            },
        ),
        Case::new(
            "the_server_listens_on_loopback_unless_told_and_then_warns",
            "look() {
    rm -f /tmp/serve.log
    flakescope bench serve healthy-f407 \"$@\" > /tmp/serve.log 2>&1 &
    until grep -qs serving /tmp/serve.log; do sleep 0.1; done
    netstat -ltn | grep 3240; cat /tmp/serve.log; killall flakescope; wait
}
look; echo; look --listen 0.0.0.0",
            |said| {
                let (before, after) = said.text.split_once("\n\n").ok_or("one answer instead of two")?;
                if !before.contains("127.0.0.1:3240") || before.contains("warning") {
                    return Err("loopback should be the default, without a warning".to_owned());
                }
                if after.contains("0.0.0.0:3240") && after.contains("warning: anyone who can reach this address") {
                    Ok(())
                } else {
                    Err("no warning".to_owned())
                }
            },
        ),
    ]
}
