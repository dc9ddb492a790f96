//! The models of an arm, with a server that answers for the teacher at the same time.

use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use anyhow::{Context, Result, anyhow};

use super::{Answer, Backend, Caller, Query, Speaker};

/// An arm whose teacher is another backend.
pub(crate) struct WithTeacher<'a> {
    pub(crate) arm: Box<dyn Backend + 'a>,
    pub(crate) teacher: Box<dyn Backend + Sync + 'a>,
}

impl Backend for WithTeacher<'_> {
    fn check(&self, query: &Query) -> Result<()> {
        match query.speaker {
            Speaker::Teacher => self.teacher.check(query),
            _ => self.arm.check(query),
        }
    }

    fn remember(&self, query: &Query, answer: &Answer) -> Result<()> {
        match query.speaker {
            Speaker::Teacher => self.teacher.remember(query, answer),
            _ => self.arm.remember(query, answer),
        }
    }

    fn serve(&self, caller: &mut dyn Caller) -> Result<()> {
        let (queries, waiting) = mpsc::channel();
        let (answers, answered) = mpsc::channel();
        let teacher = &*self.teacher;
        thread::scope(|scope| {
            let taught = scope.spawn(move || {
                teacher.serve(&mut Desk {
                    waiting,
                    answers,
                    asked: Vec::new(),
                })
            });
            let mut split = Split {
                caller,
                queries,
                answered,
                asked: 0,
                under_way: 0,
                of_arm: Vec::new(),
                made_by_teacher: 0,
            };
            let result = self.arm.serve(&mut split);
            // Without its channel, the teacher ends.
            drop(split);
            let taught = taught
                .join()
                .map_err(|_| anyhow!("the teacher's thread panicked"));
            // A teacher that failed is the cause of the error that its silence leads to.
            taught?.context("the teacher failed")?;
            result
        })
    }
}

/// The caller of the teacher's backend: queries arrive by a channel.
struct Desk {
    waiting: Receiver<(usize, Query)>,
    answers: Sender<(usize, Answer)>,
    /// The numbers of the queries, in the order in which the teacher took them.
    asked: Vec<usize>,
}

impl Caller for Desk {
    fn next(&mut self, idle: bool) -> Result<Option<Query>> {
        let next = if idle {
            self.waiting.recv().ok()
        } else {
            self.waiting.try_recv().ok()
        };
        Ok(next.map(|(number, query)| {
            self.asked.push(number);
            query
        }))
    }

    fn answered(&mut self, index: usize, answer: Answer) -> Result<()> {
        // The receiver is dropped after an error of the arm.
        let _ = self.answers.send((self.asked[index], answer));
        Ok(())
    }

    fn tokens(&mut self, _: usize) -> Result<()> {
        Ok(())
    }
}

/// The caller of the arm's backend: it hands the teacher's queries over.
struct Split<'a> {
    caller: &'a mut dyn Caller,
    queries: Sender<(usize, Query)>,
    answered: Receiver<(usize, Answer)>,
    /// Number of queries taken from the caller.
    asked: usize,
    /// Queries that the teacher has not answered.
    under_way: usize,
    /// The numbers of the arm's queries.
    of_arm: Vec<usize>,
    /// Tokens that the teacher generated.
    made_by_teacher: usize,
}

impl Split<'_> {
    /// Handles one answer of the teacher, if there is one; with `wait`, blocks until there is.
    fn take_answer(&mut self, wait: bool) -> Result<bool> {
        let received = if wait {
            self.answered
                .recv()
                .map_err(|_| anyhow!("the teacher gives no more answers"))?
        } else {
            match self.answered.try_recv() {
                Ok(received) => received,
                Err(mpsc::TryRecvError::Empty) => return Ok(false),
                Err(mpsc::TryRecvError::Disconnected) if self.under_way == 0 => return Ok(false),
                Err(mpsc::TryRecvError::Disconnected) => {
                    return Err(anyhow!("the teacher gives no more answers"));
                }
            }
        };
        let (number, answer) = received;
        self.under_way -= 1;
        self.made_by_teacher += answer.completion_tokens;
        self.caller.answered(number, answer)?;
        Ok(true)
    }
}

impl Caller for Split<'_> {
    fn next(&mut self, idle: bool) -> Result<Option<Query>> {
        loop {
            while self.take_answer(false)? {}
            let is_idle = idle && self.under_way == 0;
            match self.caller.next(is_idle)? {
                Some(query) => {
                    let number = self.asked;
                    self.asked += 1;
                    if query.speaker != Speaker::Teacher {
                        self.of_arm.push(number);
                        return Ok(Some(query));
                    }
                    self.under_way += 1;
                    self.queries
                        .send((number, query))
                        .map_err(|_| anyhow!("the teacher takes no more queries"))?;
                }
                None if idle && self.under_way > 0 => {
                    self.take_answer(true)?;
                }
                None => return Ok(None),
            }
        }
    }

    fn answered(&mut self, index: usize, answer: Answer) -> Result<()> {
        self.caller.answered(self.of_arm[index], answer)
    }

    fn tokens(&mut self, made: usize) -> Result<()> {
        while self.take_answer(false)? {}
        self.caller.tokens(made + self.made_by_teacher)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Wanted;
    use crate::backend::scripted::{Line, Scripted};
    use slm_artifacts::FinishReason;
    use slm_model::{Message, Role, Sampling};

    fn query(speaker: Speaker, text: &str) -> Query {
        Query {
            messages: vec![Message::new(Role::User, text)],
            begun: String::new(),
            stop: Vec::new(),
            sampling: Sampling::GREEDY,
            max_new_tokens: 10,
            seed: 0,
            speaker,
            wanted: Wanted::default(),
        }
    }

    /// Asks `left` more questions after each answer, arm and teacher in turn.
    struct Chain {
        waiting: Vec<Query>,
        left: usize,
        asked: usize,
        answers: Vec<(usize, String)>,
    }

    impl Caller for Chain {
        fn next(&mut self, _: bool) -> Result<Option<Query>> {
            let next = self.waiting.pop();
            self.asked += usize::from(next.is_some());
            Ok(next)
        }

        fn answered(&mut self, index: usize, answer: Answer) -> Result<()> {
            assert_eq!(answer.finish_reason, FinishReason::Stop);
            self.answers.push((index, answer.text));
            if self.left > 0 {
                self.left -= 1;
                let speaker = [Speaker::Teacher, Speaker::Base, Speaker::Arm][self.left % 3];
                self.waiting.push(query(speaker, &format!("{speaker:?}")));
            }
            Ok(())
        }

        fn tokens(&mut self, _: usize) -> Result<()> {
            Ok(())
        }
    }

    fn serve(teacher: impl Backend + Sync, left: usize) -> (Result<()>, Chain) {
        let arm = Scripted::new(|query: &Query| {
            Line::from(format!("arm: {}", query.messages[0].content))
        })
        .with_batch_size(2);
        let model = WithTeacher {
            arm: Box::new(arm),
            teacher: Box::new(teacher),
        };
        let mut chain = Chain {
            waiting: vec![
                query(Speaker::Teacher, "Teacher"),
                query(Speaker::Arm, "Arm"),
            ],
            left,
            asked: 0,
            answers: Vec::new(),
        };
        (model.serve(&mut chain), chain)
    }

    struct Teacher(Option<usize>);

    impl Backend for Teacher {
        fn check(&self, _: &Query) -> Result<()> {
            Ok(())
        }

        fn serve(&self, caller: &mut dyn Caller) -> Result<()> {
            let script =
                |query: &Query| Line::from(format!("teacher: {}", query.messages[0].content));
            let model = Scripted::new(script);
            match self.0 {
                None => model.serve(caller),
                Some(answers) => model.dying_after(answers).serve(caller),
            }
        }
    }

    #[test]
    fn each_query_is_answered_once_by_its_speaker() {
        for left in [0, 1, 2, 50] {
            let (result, chain) = serve(Teacher(None), left);
            result.expect("all answers");
            assert_eq!((chain.answers.len(), chain.asked), (left + 2, left + 2));
            let mut numbers: Vec<usize> = chain.answers.iter().map(|(index, _)| *index).collect();
            numbers.sort_unstable();
            assert_eq!(numbers, (0..left + 2).collect::<Vec<_>>());
            for (_, text) in chain.answers {
                let by_teacher = text.starts_with("teacher: ");
                assert_eq!(by_teacher, text.ends_with("Teacher"), "{text}");
            }
        }
    }

    #[test]
    fn a_teacher_that_fails_ends_the_run_with_its_error() {
        for answers in [0, 1, 3] {
            let (result, _) = serve(Teacher(Some(answers)), 50);
            let error = format!("{:#}", result.expect_err("no answer"));
            assert!(error.contains("the power went out"), "{error}");
        }
    }
}
