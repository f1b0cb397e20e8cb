//! Many reports on all cores: one thread walks and reads, the others conclude, and the answers come in the order of the reports.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

use super::triage::{Triage, Triaged};
use crate::readers::archive::InputError;
use crate::readers::reading::Reading;

/// Reports above this are read as a stream on the spot, so that memory stays bounded.
const SMALL_BYTES: u64 = 1024 * 1024;
/// Reports are handed over by so many, because waking a worker costs as much as a short one.
const BATCH: usize = 16;
/// And by so many bytes, so that what waits stays small.
const BATCH_BYTES: usize = 256 * 1024;
/// Batches that wait for each worker.
const WAITING: usize = 2;

/// What is done with each report once it is concluded; it may refuse further ones with an error.
pub type Done<'a> = dyn FnMut(Triaged, Option<Reading>) -> io::Result<()> + 'a;

/// A walk over reports: it calls its visitor with the name and the bytes of each.
pub type Walk<'a> = dyn FnMut(&mut dyn FnMut(&str, &mut dyn Read) -> io::Result<()>) -> Vec<InputError> + 'a;

struct Task {
    number: usize,
    name: String,
    bytes: Vec<u8>,
}

struct Answer {
    number: usize,
    triaged: Triaged,
    reading: Option<Reading>,
}

/// Triages what the walk finds. `keep` asks for the readings as well, for a case.
pub fn triage_all(triage: &Triage, keep: bool, walk: &mut Walk<'_>, done: &mut Done<'_>) -> Vec<InputError> {
    let workers = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    thread::scope(|scope| {
        let (tasks, waiting) = sync_channel::<Vec<Task>>(workers * WAITING);
        let (answers, answered) = channel::<Vec<Answer>>();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..workers {
            let (waiting, answers) = (Arc::clone(&waiting), answers.clone());
            scope.spawn(move || work(triage, keep, &waiting, &answers));
        }
        drop(answers);
        let mut desk = Desk { next: 0, given: 0, early: BTreeMap::new(), done };
        let mut batch = Vec::new();
        let errors = walk(&mut |name, source| {
            let mut bytes = Vec::new();
            (&mut *source).take(SMALL_BYTES).read_to_end(&mut bytes)?;
            if (bytes.len() as u64) < SMALL_BYTES {
                let number = desk.take_number();
                batch.push(Task { number, name: name.to_owned(), bytes });
                let bytes: usize = batch.iter().map(|task: &Task| task.bytes.len()).sum();
                if batch.len() == BATCH || bytes >= BATCH_BYTES {
                    send(&tasks, std::mem::take(&mut batch));
                }
            } else {
                // A number is taken only for what could be read, so that none is waited for in vain.
                let reading = triage.read(&mut bytes.as_slice().chain(source))?;
                let number = desk.take_number();
                desk.put(conclude(triage, keep, number, name, reading));
            }
            desk.hand_out(&answered)
        });
        send(&tasks, batch);
        drop(tasks);
        let mut errors = errors;
        for answers in &answered {
            answers.into_iter().for_each(|answer| desk.put(answer));
            if let Err(error) = desk.hand_out_ready() {
                errors.push(InputError { name: "standard output".to_owned(), reason: error.to_string() });
                break;
            }
        }
        errors
    })
}

fn send(tasks: &SyncSender<Vec<Task>>, batch: Vec<Task>) {
    tasks.send(batch).expect("the workers live until the last task is sent");
}

fn work(triage: &Triage, keep: bool, waiting: &Mutex<Receiver<Vec<Task>>>, answers: &Sender<Vec<Answer>>) {
    let answer = |Task { number, name, bytes }: Task| {
        let reading = triage.read(&mut bytes.as_slice()).expect("memory can be read");
        conclude(triage, keep, number, &name, reading)
    };
    loop {
        let batch = waiting.lock().expect("no worker panics with the queue in hand").recv();
        let Ok(batch) = batch else { return };
        // Nobody listens any more once the output is closed.
        if answers.send(batch.into_iter().map(answer).collect()).is_err() {
            return;
        }
    }
}

fn conclude(triage: &Triage, keep: bool, number: usize, name: &str, reading: Reading) -> Answer {
    let kept = keep.then(|| reading.clone());
    Answer { number, triaged: triage.verdict_of(name, reading), reading: kept }
}

/// Puts answers back into the order of the reports.
struct Desk<'d, 'f> {
    next: usize,
    given: usize,
    early: BTreeMap<usize, Answer>,
    done: &'d mut Done<'f>,
}

impl Desk<'_, '_> {
    fn take_number(&mut self) -> usize {
        self.given += 1;
        self.given - 1
    }

    fn put(&mut self, answer: Answer) {
        self.early.insert(answer.number, answer);
    }

    fn hand_out(&mut self, answered: &Receiver<Vec<Answer>>) -> io::Result<()> {
        while let Ok(answers) = answered.try_recv() {
            answers.into_iter().for_each(|answer| self.put(answer));
        }
        self.hand_out_ready()
    }

    fn hand_out_ready(&mut self) -> io::Result<()> {
        while let Some(answer) = self.early.remove(&self.next) {
            self.next += 1;
            (self.done)(answer.triaged, answer.reading)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_in_the_order_of_the_reports() {
        let triage = Triage::load().unwrap();
        let mut names = Vec::new();
        let long = "nothing to see here\n".repeat(60_000);
        let errors = triage_all(
            &triage,
            false,
            &mut |visit| {
                for number in 0..40 {
                    let text = if number == 7 { long.as_str() } else { "Error: stm32x device protected\n" };
                    visit(&format!("report {number}"), &mut text.as_bytes()).unwrap();
                }
                Vec::new()
            },
            &mut |triaged, _| {
                names.push(triaged.verdict.source.raw().to_owned());
                Ok(())
            },
        );
        assert!(errors.is_empty());
        assert_eq!(names, (0..40).map(|number| format!("report {number}")).collect::<Vec<_>>());
    }
}
