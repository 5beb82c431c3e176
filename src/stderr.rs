//! The way to stderr. While a sweep runs, a thread of its own writes there, so that a terminal that
//! was halted (Ctrl-S) or a pipe that nobody reads cannot stop the thread that owns the workers and
//! the files. Only so many messages wait. Further lines are dropped, and their number is written
//! later. People get texts and programs get events.

use crate::json::{self, event::Event, event::Message as Said};
use indicatif::ProgressBar;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

/// How many messages may wait.
const WAITING: usize = 4096;

static WRITER: Mutex<Option<SyncSender<Message>>> = Mutex::new(None);
static LEFT_OUT: AtomicUsize = AtomicUsize::new(0);
static FOR_PROGRAMS: AtomicBool = AtomicBool::new(false);

enum Message {
    Text(Vec<u8>),
    /// The position of the bar and the text beside it.
    Show(u64, String),
    /// The length of the bar.
    Lengthen(u64),
    /// Removes the bar.
    Clear,
    /// Is answered when everything before it was written.
    Written(SyncSender<()>),
}

/// Starts the thread that writes. It keeps the lines apart from `bar`.
///
/// # Errors
/// If no thread can be started.
pub fn detach(bar: ProgressBar) -> io::Result<()> {
    let (to, messages) = sync_channel(WAITING);
    std::thread::Builder::new().name("stderr".to_owned()).spawn(move || write(&messages, &bar))?;
    *writer() = Some(to);
    Ok(())
}

/// From now on every line is an event.
pub fn tell_programs() {
    FOR_PROGRAMS.store(true, Ordering::Relaxed);
}

/// Whether a program reads what is written.
pub fn is_for_programs() -> bool {
    FOR_PROGRAMS.load(Ordering::Relaxed)
}

/// Writes a line: the text for people, or the event for programs. If its reader has gone away, as
/// with `2>&1 | head`, nothing happens.
pub fn tell(text: &str, event: &Event) {
    put(form(text, event).into_bytes());
}

/// Writes a line of which programs get the words, too.
pub fn note(text: &str) {
    tell(text, &Event::Note(Said::new(text, None)));
}

/// The line in its form, with a line break.
fn form(text: &str, event: &Event) -> String {
    (if is_for_programs() { json::line(event) } else { text.to_owned() }) + "\n"
}

/// Moves the bar.
pub fn show(position: u64, text: String) {
    // If there is no room for it, the next one will show the same.
    send(Message::Show(position, text));
}

/// Sets the length of the bar.
pub fn lengthen(length: u64) {
    send(Message::Lengthen(length));
}

/// Removes the bar.
pub fn clear() {
    send(Message::Clear);
}

/// Waits until everything was written. The program calls this at its end, when no worker is left.
pub fn flush() {
    let Some(to) = writer().clone() else { return };
    let (tell, written) = sync_channel(1);
    if to.send(Message::Written(tell)).is_ok() {
        let _ = written.recv();
    }
}

/// Writes what `tracing` logs.
pub struct Log;

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        put(text.to_vec());
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn writer() -> std::sync::MutexGuard<'static, Option<SyncSender<Message>>> {
    WRITER.lock().unwrap_or_else(PoisonError::into_inner)
}

fn put(text: Vec<u8>) {
    if !send(Message::Text(text)) {
        LEFT_OUT.fetch_add(1, Ordering::Relaxed);
    }
}

/// Hands a message to the thread, or writes a text itself if there is no thread. Returns false if
/// there was no room for the message.
fn send(message: Message) -> bool {
    let to = writer().clone();
    match (to, message) {
        (Some(to), message) => to.try_send(message).is_ok(),
        (None, Message::Text(text)) => {
            let _ = io::stderr().write_all(&text);
            true
        }
        (None, Message::Show(..) | Message::Lengthen(_) | Message::Clear | Message::Written(_)) => true,
    }
}

fn write(messages: &Receiver<Message>, bar: &ProgressBar) {
    let text = |text: &[u8]| {
        let write = || io::stderr().write_all(text);
        let _ = if bar.is_hidden() { write() } else { bar.suspend(write) };
    };
    for message in messages {
        match message {
            Message::Text(line) => text(&line),
            Message::Show(position, words) => {
                bar.set_position(position);
                bar.set_message(words);
            }
            Message::Lengthen(length) => bar.set_length(length),
            Message::Clear => bar.finish_and_clear(),
            Message::Written(tell) => drop(tell.send(())),
        }
        match LEFT_OUT.swap(0, Ordering::Relaxed) {
            0 => {}
            lines => {
                let said = format!("{lines} lines were left out: nobody read what was written before them");
                text(form(&said, &Event::Note(Said::new(&said, None))).as_bytes());
            }
        }
    }
}
