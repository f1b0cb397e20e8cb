//! OTP addresses that a report names; whether they fit the part is judged where the part is known.

use crate::observation::event::Transport;
use crate::observation::fact::FactValue;
use crate::observation::units::Address;

use super::message::{Line, Message, Says, Tool, first_hex};
use super::notebook::Notebook;

pub static TOOL: Tool = Tool { name: "", transport: Transport::Other, messages: MESSAGES };

const MESSAGES: &[Message] = &[
    Message { needle: "0x1FFF78", says: Says::Look(address) },
    Message { needle: "0x1FFF7A0", says: Says::Look(address) },
    Message { needle: "0x1FFF70", says: Says::Look(address) },
    Message { needle: "0x1FF078", says: Says::Look(address) },
    Message { needle: "0x1FF0F", says: Says::Look(address) },
    Message { needle: "0x08FFF0", says: Says::Look(address) },
    Message { needle: "OTP", says: Says::Look(mention) },
];

/// The same numbers are option-byte addresses elsewhere, so that only a line about OTP counts.
fn address(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("otp")
        && let Some(address) = first_hex(line.text)
    {
        notebook.fact("otp-address", FactValue::Address(Address(address)), line);
    }
}

fn mention(notebook: &mut Notebook, line: &Line<'_>) {
    let word = |word: &str| word.eq_ignore_ascii_case("otp");
    if line.text.split(|c: char| !c.is_ascii_alphanumeric()).any(word) {
        notebook.fact("otp-named", FactValue::Flag(true), line);
    }
}
