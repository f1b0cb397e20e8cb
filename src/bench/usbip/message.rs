//! USB/IP messages as bytes. Fields are big endian; the layout is that of `Documentation/usb/usbip_protocol.rst`.

use std::io::{self, Read, Write};

use crate::dfu::request::{ControlRequest, DataStage};

pub const VERSION: u16 = 0x0111;
pub const HEADER_BYTES: usize = 48;
/// No request to these devices carries more; a client that asks for more is hostile or broken.
pub const MOST_BYTES: u32 = 64 * 1024;

const CMD_SUBMIT: u32 = 1;
const CMD_UNLINK: u32 = 2;
const RET_SUBMIT: u32 = 3;
const RET_UNLINK: u32 = 4;
const DIRECTION_IN: u32 = 1;
const LAST_ENDPOINT: u8 = 15;

/// What a client asks of an attached device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Submit {
        sequence: u32,
        request: Submitted,
    },
    /// Takes back an earlier request.
    Unlink {
        sequence: u32,
        victim: u32,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submitted {
    Control(ControlRequest),
    /// Data for an endpoint other than 0.
    Send {
        endpoint: u8,
        data: Vec<u8>,
    },
    /// At most so much from an endpoint other than 0.
    Receive {
        endpoint: u8,
        most_bytes: u32,
    },
}

impl Submitted {
    /// The most that the client takes as an answer.
    pub fn most_bytes(&self) -> u32 {
        match self {
            Self::Control(ControlRequest { data: DataStage::In(length), .. }) => (*length).into(),
            Self::Control(_) | Self::Send { .. } => 0,
            Self::Receive { most_bytes, .. } => *most_bytes,
        }
    }
}

/// The stream does not speak USB/IP, or asks for something unreasonable.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    #[error("command {0} is not one of USB/IP")]
    UnknownCommand(u32),
    #[error("a transfer of {0} bytes is more than any request to these devices")]
    TooLong(u32),
    #[error("endpoint {0} is not one that USB knows")]
    NoEndpoint(u32),
    #[error("a set-up packet contradicts the direction of its transfer")]
    Contradiction,
    #[error("{0} isochronous packets, and these devices have no such endpoint")]
    Isochronous(u32),
    #[error(transparent)]
    Stream(#[from] io::Error),
}

/// Reads one command; `None` where the stream has ended between two.
pub fn read_command(stream: &mut impl Read) -> Result<Option<Command>, MessageError> {
    let mut header = [0; HEADER_BYTES];
    match stream.read_exact(&mut header) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let word = |number: usize| {
        let at = number * 4;
        u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let sequence = word(1);
    match word(0) {
        CMD_SUBMIT => {
            let set_up = [40, 41, 42, 43, 44, 45, 46, 47].map(|at: usize| header[at]);
            // The kernel sends 0 for other transfers, the protocol's text says -1.
            if !matches!(word(8), 0 | u32::MAX) {
                return Err(MessageError::Isochronous(word(8)));
            }
            let endpoint = u8::try_from(word(4)).ok().filter(|number| *number <= LAST_ENDPOINT);
            let endpoint = endpoint.ok_or(MessageError::NoEndpoint(word(4)))?;
            let request = read_submitted(stream, word(3) == DIRECTION_IN, endpoint, word(6), set_up)?;
            Ok(Some(Command::Submit { sequence, request }))
        }
        CMD_UNLINK => Ok(Some(Command::Unlink { sequence, victim: word(5) })),
        other => Err(MessageError::UnknownCommand(other)),
    }
}

fn read_submitted(
    stream: &mut impl Read,
    to_host: bool,
    endpoint: u8,
    length: u32,
    set_up: [u8; 8],
) -> Result<Submitted, MessageError> {
    if length > MOST_BYTES {
        return Err(MessageError::TooLong(length));
    }
    let mut data = vec![0; if to_host { 0 } else { length as usize }];
    stream.read_exact(&mut data)?;
    if endpoint != 0 {
        return Ok(if to_host {
            Submitted::Receive { endpoint, most_bytes: length }
        } else {
            Submitted::Send { endpoint, data }
        });
    }
    let [request_type, request, v0, v1, i0, i1, l0, l1] = set_up;
    let asks = request_type & 0x80 != 0;
    // A transfer without data goes either way.
    if asks != to_host && length > 0 {
        return Err(MessageError::Contradiction);
    }
    let wanted = u16::from_le_bytes([l0, l1]).min(u16::try_from(length).unwrap_or(u16::MAX));
    let data = if asks { DataStage::In(wanted) } else { DataStage::Out(data) };
    let (value, index) = (u16::from_le_bytes([v0, v1]), u16::from_le_bytes([i0, i1]));
    Ok(Submitted::Control(ControlRequest { request_type, request, value, index, data }))
}

/// How a transfer ended, as the kernel counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returned {
    pub sequence: u32,
    /// 0 or a negative errno.
    pub status: i32,
    /// Bytes that moved, in either direction.
    pub moved: u32,
    /// What came in.
    pub data: Vec<u8>,
}

pub fn write_returned(stream: &mut impl Write, returned: &Returned) -> io::Result<()> {
    let words = [RET_SUBMIT, returned.sequence, 0, 0, 0, returned.status as u32, returned.moved, 0, 0, 0, 0, 0];
    let mut bytes = to_bytes(&words);
    bytes.extend(&returned.data);
    stream.write_all(&bytes)
}

/// `status` is -ECONNRESET where the victim was taken back, 0 where it had already ended.
pub fn write_unlinked(stream: &mut impl Write, sequence: u32, status: i32) -> io::Result<()> {
    stream.write_all(&to_bytes(&[RET_UNLINK, sequence, 0, 0, 0, status as u32, 0, 0, 0, 0, 0, 0]))
}

fn to_bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// The bytes a client sends; used by tests and by nothing else.
#[cfg(test)]
pub fn command_bytes(command: &Command) -> Vec<u8> {
    match command {
        Command::Unlink { sequence, victim } => to_bytes(&[CMD_UNLINK, *sequence, 0, 0, 0, *victim, 0, 0, 0, 0, 0, 0]),
        Command::Submit { sequence, request: Submitted::Receive { endpoint, most_bytes } } => {
            to_bytes(&[CMD_SUBMIT, *sequence, 0, DIRECTION_IN, (*endpoint).into(), 0, *most_bytes, 0, 0, 0, 0, 0])
        }
        Command::Submit { sequence, request: Submitted::Send { endpoint, data } } => {
            let length = data.len() as u32;
            let mut bytes = to_bytes(&[CMD_SUBMIT, *sequence, 0, 0, (*endpoint).into(), 0, length, 0, 0, 0, 0, 0]);
            bytes.extend(data);
            bytes
        }
        Command::Submit { sequence, request: Submitted::Control(request) } => {
            let (direction, length, data) = match &request.data {
                DataStage::In(length) => (DIRECTION_IN, *length, &[][..]),
                DataStage::Out(data) => (0, data.len() as u16, data.as_slice()),
            };
            let mut bytes = to_bytes(&[CMD_SUBMIT, *sequence, 0, direction, 0, 0, length.into(), 0, 0, 0]);
            bytes.extend([request.request_type, request.request]);
            for word in [request.value, request.index, length] {
                bytes.extend(word.to_le_bytes());
            }
            bytes.extend(data);
            bytes
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dfu::command;
    use crate::observation::units::Address;
    use proptest::prelude::*;

    #[test]
    fn commands_read_back_as_sent() {
        let requests = [command::get_status(0), command::set_address(0, Address(0x0800_0000)), command::get_string(4)];
        let others = [
            Submitted::Send { endpoint: 1, data: vec![1, 2, 3] },
            Submitted::Receive { endpoint: 15, most_bytes: 512 },
        ];
        let submits = requests.map(Submitted::Control).into_iter().chain(others);
        let submits = submits.map(|request| Command::Submit { sequence: 7, request });
        for command in submits.chain([Command::Unlink { sequence: 8, victim: 7 }]) {
            let bytes = command_bytes(&command);
            assert_eq!(read_command(&mut bytes.as_slice()).unwrap(), Some(command));
        }
    }

    #[test]
    fn an_end_between_messages_is_an_end_and_nothing_else() {
        assert!(matches!(read_command(&mut &[][..]), Ok(None)));
    }

    #[test]
    fn no_length_makes_us_allocate_without_bound() {
        let mut bytes = to_bytes(&[CMD_SUBMIT, 1, 0, 0, 0, 0, u32::MAX, 0, 0, 0]);
        bytes.extend([0; 8]);
        assert!(matches!(read_command(&mut bytes.as_slice()), Err(MessageError::TooLong(u32::MAX))));
    }

    /// A submit whose words 3, 4, 6 and 8 and whose request type are these.
    fn refusal(direction: u32, endpoint: u32, length: u32, packets: u32, request_type: u8) -> MessageError {
        let mut bytes = to_bytes(&[CMD_SUBMIT, 1, 0, direction, endpoint, 0, length, 0, packets, 0]);
        bytes.extend([request_type, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend([0; 64]);
        read_command(&mut bytes.as_slice()).unwrap_err()
    }

    #[test]
    fn what_no_kernel_sends_is_refused() {
        assert!(matches!(refusal(1, 0, 18, 0, 0x00), MessageError::Contradiction));
        assert!(matches!(refusal(0, 0, 18, 0, 0x80), MessageError::Contradiction));
        assert!(matches!(refusal(0, 1, 18, 4, 0), MessageError::Isochronous(4)));
        assert!(matches!(refusal(0, 16, 18, 0, 0), MessageError::NoEndpoint(16)));
        let cut_short = &to_bytes(&[CMD_SUBMIT, 1, 0, 0, 1, 0, 100, 0, 0, 0, 0, 0])[..];
        assert!(matches!(read_command(&mut &cut_short[..]), Err(MessageError::Stream(_))), "a length that is a lie");
    }

    #[test]
    fn results_are_48_bytes_and_what_came_in() {
        let mut bytes = Vec::new();
        write_returned(&mut bytes, &Returned { sequence: 3, status: -32, moved: 0, data: vec![] }).unwrap();
        assert_eq!(bytes.len(), HEADER_BYTES);
        assert_eq!(bytes[..8], [0, 0, 0, 3, 0, 0, 0, 3]);
        assert_eq!(bytes[20..24], (-32_i32).to_be_bytes());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = read_command(&mut bytes.as_slice());
        }

        #[test]
        fn nothing_near_a_command_panics(command in 0..4_u32, length in 0..200_u32, tail in prop::collection::vec(any::<u8>(), 0..160)) {
            let mut bytes = to_bytes(&[command, 1, 0, 0, 0, 0, length]);
            bytes.extend(tail);
            let _ = read_command(&mut bytes.as_slice());
        }
    }
}
