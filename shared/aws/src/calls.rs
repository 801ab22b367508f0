//! Owns how entries are divided into calls, and what is sent again when only some are taken.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use evercount_core::order::Micros;
use evercount_pipeline::ports::StoreError;

/// Attempts after the first. With the pauses below, a call gives up after some three seconds; the
/// caller has its own, slower loop around that.
const RETRIES_MAX: usize = 7;
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(800);

/// One event to be put.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// What it is about.
    pub(crate) subject: String,
    /// What a bus calls it, for the patterns of rules.
    #[cfg_attr(not(feature = "eventbridge"), expect(dead_code, reason = "there is no bus"))]
    pub(crate) kind: &'static str,
    /// Its JSON.
    pub(crate) body: String,
    /// When it happened, microseconds since the epoch.
    #[cfg_attr(not(feature = "eventbridge"), expect(dead_code, reason = "there is no bus"))]
    pub(crate) at: Micros,
}

/// What became of one entry of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// It is there.
    Taken,
    /// It is not, and may be later.
    Later(String),
    /// It is not, and never will be.
    #[cfg_attr(
        not(any(feature = "eventbridge", test)),
        expect(dead_code, reason = "a bus alone refuses entries")
    )]
    Refused(String),
}

/// Where entries are put.
pub(crate) trait Destination: Sync {
    /// What to call it in a log.
    const NAME: &'static str;
    /// Most entries of one call.
    const ENTRIES_MAX: usize;
    /// Most bytes of one call.
    const BYTES_MAX: usize;
    /// Most bytes of one entry's body.
    const BODY_BYTES_MAX: usize;
    /// Whether the entries of a subject must stay in order. Then, what stands behind an entry
    /// that was not taken is sent again with it.
    const ORDERED: bool;

    /// How much an entry counts against the limit of a call.
    fn bytes(entry: &Entry) -> usize;

    /// One call. Its outcomes stand in the order of the entries.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where nothing is known of any entry, and
    /// [`StoreError::Rejected`] where the call as such cannot work.
    fn put(&self, entries: &[&Entry]) -> impl Future<Output = Result<Vec<Outcome>, StoreError>> + Send;
}

/// Puts all entries.
///
/// # Errors
/// [`StoreError::Unavailable`] after the last attempt; [`StoreError::Rejected`] where an entry or
/// a call is refused for good, once the other entries of its call are there.
pub(crate) async fn put_all<D: Destination>(to: &D, entries: &[Entry]) -> Result<(), StoreError> {
    let mut rest = entries;
    while !rest.is_empty() {
        let (call, later) = rest.split_at(call_len::<D>(rest));
        put_call(to, call).await?;
        rest = later;
    }
    Ok(())
}

async fn put_call<D: Destination>(to: &D, call: &[Entry]) -> Result<(), StoreError> {
    let mut pauses = ExponentialBuilder::default()
        .with_min_delay(PAUSE_MIN)
        .with_max_delay(PAUSE_MAX)
        .with_max_times(RETRIES_MAX)
        .with_jitter()
        .build();
    let mut pending: Vec<&Entry> = call.iter().collect();
    let mut refused = None;
    loop {
        let why = match to.put(&pending).await {
            Ok(outcomes) if outcomes.len() == pending.len() => {
                let mut later = None;
                for outcome in &outcomes {
                    match outcome {
                        Outcome::Taken => {}
                        Outcome::Later(why) => later = later.or_else(|| Some(why.clone())),
                        Outcome::Refused(why) => refused = refused.or_else(|| Some(why.clone())),
                    }
                }
                let Some(why) = later else {
                    return refused.map_or(Ok(()), |why| Err(StoreError::Rejected(why)));
                };
                pending = to_send_again::<D>(&pending, &outcomes);
                why
            }
            Ok(outcomes) => format!("{} outcomes for {} entries", outcomes.len(), pending.len()),
            Err(StoreError::Unavailable(why)) => why,
            Err(error) => return Err(error),
        };
        let Some(pause) = pauses.next() else {
            return Err(StoreError::Unavailable(why));
        };
        tracing::warn!(to = D::NAME, entries = pending.len(), why, "events are put again");
        tokio::time::sleep(pause).await;
    }
}

/// How many leading entries go in one call: at least one.
fn call_len<D: Destination>(entries: &[Entry]) -> usize {
    let mut bytes = 0;
    let fits = entries.iter().take(D::ENTRIES_MAX).take_while(|entry| {
        bytes += D::bytes(entry);
        bytes <= D::BYTES_MAX
    });
    fits.count().max(1)
}

/// The entries that were not taken; and where order matters, those of the same subjects that
/// stood behind them: they are then there twice, but the last entry of a subject is its last.
fn to_send_again<'a, D: Destination>(sent: &[&'a Entry], outcomes: &[Outcome]) -> Vec<&'a Entry> {
    let mut held_up = BTreeSet::new();
    let again = |(entry, outcome): &(&&'a Entry, &Outcome)| {
        let later = matches!(outcome, Outcome::Later(_));
        if later && D::ORDERED {
            held_up.insert(entry.subject.as_str());
        }
        later || (**outcome == Outcome::Taken && held_up.contains(entry.subject.as_str()))
    };
    sent.iter().zip(outcomes).filter(again).map(|(entry, _)| *entry).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use super::*;

    /// Answers as told, then takes everything. `L` is whether order matters.
    struct Told<const L: bool> {
        answers: Mutex<VecDeque<Result<Vec<Outcome>, StoreError>>>,
        calls: Mutex<Vec<String>>,
    }

    impl<const L: bool> Destination for Told<L> {
        const NAME: &'static str = "test";
        const ENTRIES_MAX: usize = 4;
        const BYTES_MAX: usize = 10;
        const BODY_BYTES_MAX: usize = 10;
        const ORDERED: bool = L;

        fn bytes(entry: &Entry) -> usize {
            entry.body.len()
        }

        async fn put(&self, entries: &[&Entry]) -> Result<Vec<Outcome>, StoreError> {
            let bodies: Vec<&str> = entries.iter().map(|entry| entry.body.as_str()).collect();
            self.calls.lock().unwrap().push(bodies.join(" "));
            let answer = self.answers.lock().unwrap().pop_front();
            answer.unwrap_or_else(|| Ok(vec![Outcome::Taken; entries.len()]))
        }
    }

    /// An outcome for each letter: taken, later, refused.
    fn outcomes(letters: &str) -> Vec<Outcome> {
        let outcome = |letter| match letter {
            't' => Outcome::Taken,
            'l' => Outcome::Later("later".to_owned()),
            _ => Outcome::Refused("refused".to_owned()),
        };
        letters.chars().map(outcome).collect()
    }

    /// Entries whose subject is the first letter of their body.
    fn entries(bodies: &str) -> Vec<Entry> {
        let entry =
            |body: &str| Entry { subject: body[..1].to_owned(), kind: "", body: body.to_owned(), at: 0 };
        bodies.split(' ').map(entry).collect()
    }

    async fn put<const L: bool>(
        bodies: &str,
        answers: Vec<Result<Vec<Outcome>, StoreError>>,
    ) -> (Result<(), StoreError>, Vec<String>) {
        let to = Told::<L> { answers: Mutex::new(answers.into()), calls: Mutex::default() };
        let result = put_all(&to, &entries(bodies)).await;
        (result, to.calls.into_inner().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_takes_so_many_entries_and_so_many_bytes_and_always_one() {
        let (result, calls) = put::<false>("a1 a2 a3 a4 a5 a6666666 a77 a888888888888", vec![]).await;
        assert_eq!(result, Ok(()));
        assert_eq!(calls, ["a1 a2 a3 a4", "a5 a6666666", "a77", "a888888888888"]);
    }

    #[tokio::test(start_paused = true)]
    async fn entries_that_fail_are_sent_again_alone() {
        let (result, calls) =
            put::<false>("a1 b2 a3 b4", vec![Ok(outcomes("ltlt")), Ok(outcomes("tl"))]).await;
        assert_eq!(result, Ok(()));
        assert_eq!(calls, ["a1 b2 a3 b4", "a1 a3", "a3"]);
    }

    #[tokio::test(start_paused = true)]
    async fn where_order_matters_they_take_the_later_ones_of_their_subject_with_them() {
        let (result, calls) = put::<true>("a1 b2 a3 c4", vec![Ok(outcomes("lttl"))]).await;
        assert_eq!(result, Ok(()));
        assert_eq!(calls, ["a1 b2 a3 c4", "a1 a3 c4"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_entry_holds_up_no_other() {
        let (result, calls) = put::<false>("a1 b2 c3", vec![Ok(outcomes("rlt"))]).await;
        assert_eq!(result, Err(StoreError::Rejected("refused".to_owned())));
        assert_eq!(calls, ["a1 b2 c3", "b2"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_fails_is_made_again_until_it_has_failed_too_often() {
        let away = || Err(StoreError::Unavailable("away".to_owned()));
        let (result, calls) = put::<false>("a1 b2", vec![away(), Ok(outcomes("t")), away()]).await;
        assert_eq!((result, calls.len()), (Ok(()), 4));
        let (result, calls) = put::<false>("a1 b2", (0..20).map(|_| away()).collect()).await;
        assert_eq!((result, calls.len()), (Err(StoreError::Unavailable("away".to_owned())), RETRIES_MAX + 1));
        let (result, calls) = put::<false>("a1", vec![Err(StoreError::Rejected("no".to_owned()))]).await;
        assert_eq!((result, calls.len()), (Err(StoreError::Rejected("no".to_owned())), 1));
    }
}
