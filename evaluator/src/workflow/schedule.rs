//! All trajectories of an arm side by side: their calls go to the model together, and their programs run meanwhile.
//!
//! The model asks for the next call whenever a place in its batch is free. It gets that of the earliest trajectory
//! which has one, so that trajectories come to their end one after the other and an interrupted run has lost little.
//! What a trajectory does depends on its own steps alone, so neither the order nor the size of the batch matters to it.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, anyhow};

use super::event::{Event, ExecutionResult};
use super::runner::Runner;
use super::step_queue::{Execution, Step, Work};
use super::trajectory::{Finished, Trajectory};
use crate::backend::{Answer, Backend, Caller, Query};
use crate::json_lines::JsonLines;

/// A step of a trajectory, which is given by its place in the list.
type Address = (usize, u32);

/// How far the work has come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Status {
    /// Trajectories that are closed.
    pub(crate) finished: usize,
    /// Tokens made by this start of the run.
    pub(crate) tokens: usize,
}

/// Brings trajectories to their end, logging each step as it is done. Gives the results in the same order.
pub(crate) fn run(
    trajectories: Vec<Trajectory>,
    backend: &dyn Backend,
    runner: &dyn Runner,
    log: &mut JsonLines<Event>,
    on_status: &mut dyn FnMut(Status),
) -> Result<Vec<Finished>> {
    let (jobs, waiting) = mpsc::channel();
    let (results, done) = mpsc::channel();
    let waiting = Mutex::new(waiting);
    std::thread::scope(|scope| {
        for _ in 0..runner.workers() {
            let (waiting, results) = (&waiting, results.clone());
            scope.spawn(move || work(runner, waiting, &results));
        }
        // The schedule goes out of scope before the workers do, and with it the jobs that they wait for.
        let mut schedule = Schedule {
            trajectories,
            calls: BTreeMap::new(),
            asked: Vec::new(),
            jobs,
            done,
            executing: 0,
            log,
            status: Status::default(),
            on_status,
        };
        schedule.begin(backend)?;
        backend.serve(&mut schedule)?;
        schedule.finish()
    })
}

/// Runs programs until there are no more.
fn work(
    runner: &dyn Runner,
    waiting: &Mutex<Receiver<(Address, Execution)>>,
    results: &Sender<(Address, Result<ExecutionResult>)>,
) {
    loop {
        let job = waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok((address, execution)) = job else {
            return;
        };
        if results.send((address, runner.run(&execution))).is_err() {
            return;
        }
    }
}

struct Schedule<'a> {
    trajectories: Vec<Trajectory>,
    /// Calls that the model has not asked for yet.
    calls: BTreeMap<Address, Query>,
    /// Whose calls the model has, in the order in which it asked.
    asked: Vec<Address>,
    jobs: Sender<(Address, Execution)>,
    done: Receiver<(Address, Result<ExecutionResult>)>,
    /// Programs that run or wait to.
    executing: usize,
    log: &'a mut JsonLines<Event>,
    status: Status,
    on_status: &'a mut dyn FnMut(Status),
}

impl Schedule<'_> {
    /// Brings every trajectory to its first open step, and asks whether the model can answer those that stand at the
    /// beginning: what is impossible for all is told before anything is computed.
    fn begin(&mut self, backend: &dyn Backend) -> Result<()> {
        for at in 0..self.trajectories.len() {
            self.advance(at)?;
        }
        self.calls
            .iter()
            .filter(|((_, step), _)| *step == 0)
            .try_for_each(|(_, query)| backend.check(query))
    }

    /// Lets a trajectory go on with what came in.
    fn advance(&mut self, at: usize) -> Result<()> {
        let (steps, decision) = self.trajectories[at].advance()?;
        for step in steps {
            self.dispatch(at, step)?;
        }
        if let Some(decision) = decision {
            self.log.append(&decision)?;
        }
        if self.trajectories[at].finished().is_some() {
            self.status.finished += 1;
            (self.on_status)(self.status);
        }
        Ok(())
    }

    fn dispatch(&mut self, at: usize, step: Step) -> Result<()> {
        let address = (at, step.number);
        match &step.work {
            Work::Call(call) => {
                let query = self.trajectories[at].query(&step, call);
                self.calls.insert(address, query);
            }
            Work::Execution(execution) => {
                self.jobs
                    .send((address, execution.clone()))
                    .map_err(|_| anyhow!("the threads that run programs ended early"))?;
                self.executing += 1;
            }
        }
        Ok(())
    }

    /// Takes in a program's result; waits for it if asked to.
    fn take_result(&mut self, wait: bool) -> Result<bool> {
        let received = if wait {
            self.done.recv().ok()
        } else {
            self.done.try_recv().ok()
        };
        let Some(((at, step), execution)) = received else {
            return Ok(false);
        };
        self.executing -= 1;
        let event = self.trajectories[at].executed(step, execution?);
        self.log.append(&event)?;
        self.advance(at)?;
        Ok(true)
    }

    fn finish(self) -> Result<Vec<Finished>> {
        self.trajectories
            .iter()
            .map(|trajectory| trajectory.finished().cloned())
            .collect::<Option<_>>()
            .ok_or_else(|| anyhow!("the model stopped before all calls were answered"))
    }
}

impl Caller for Schedule<'_> {
    fn next(&mut self, idle: bool) -> Result<Option<Query>> {
        while self.take_result(false)? {}
        while idle && self.calls.is_empty() && self.executing > 0 {
            self.take_result(true)?;
        }
        Ok(self.calls.pop_first().map(|(address, query)| {
            self.asked.push(address);
            query
        }))
    }

    fn answered(&mut self, index: usize, answer: Answer) -> Result<()> {
        let (at, step) = self.asked[index];
        let event = self.trajectories[at].answered(step, answer);
        self.log.append(&event)?;
        self.advance(at)
    }

    fn tokens(&mut self, made: usize) -> Result<()> {
        self.status.tokens = made;
        (self.on_status)(self.status);
        Ok(())
    }
}
