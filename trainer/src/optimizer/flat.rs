//! `AdamW` over concatenated parameters: the launches of one update for hundreds of matrices.
//!
//! The update itself is burn's, on one long vector for each learning rate. It works on single values, so that the result
//! has the same bits as with one update for each parameter.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::optim::{
    AdamW, AdamWState, AdaptiveMomentumState, GradientsParams, LearningRate, ModuleOptimizer,
    Optimizer,
};
use burn::store::RecordError;
use burn::tensor::{Bytes, Device, Tensor};
use slm_model::{Adapter, concatenated};

use super::portable::{Portable, PortableState};

/// Values above which a parameter is not concatenated with others: a copy of it would cost memory and save nothing.
const LARGE: usize = 1 << 24;

/// Returns the most values that are updated together for parameters of these rows and columns, if one rate is that of all.
pub(super) fn updated_together(shapes: &[[usize; 2]]) -> usize {
    let sizes = || shapes.iter().map(|[rows, columns]| rows * columns);
    let concatenated = sizes().filter(|&size| size <= LARGE).sum();
    sizes().max().unwrap_or(0).max(concatenated)
}

/// `AdamW` over the concatenated parameters of an adapter.
pub(crate) struct FlatAdamw {
    adamw: AdamW,
    /// Empty before the first step.
    groups: Vec<Group>,
    /// A saved state until the first step, whose adapter gives its order.
    saved: Option<ModuleOptimizer>,
    /// Receives the saved state.
    found: Collect,
}

/// Parameters with one learning rate, in the order of a forward pass.
struct Group {
    members: Arc<[Member]>,
    state: Option<AdamWState<1>>,
}

/// A parameter of a group.
#[derive(Clone, Debug)]
struct Member {
    id: ParamId,
    path: String,
    shape: [usize; 2],
    /// Its index among all parameters.
    place: usize,
    device: Device,
}

impl Member {
    fn len(&self) -> usize {
        self.shape[0] * self.shape[1]
    }
}

/// Gradients of all groups, summed over micro-batches.
pub(crate) struct FlatGradients {
    parts: Vec<(Arc<[Member]>, Option<Tensor<1>>)>,
}

impl FlatAdamw {
    /// Creates an optimizer without history.
    pub(super) fn new(adamw: AdamW) -> Self {
        Self {
            adamw,
            groups: Vec::new(),
            saved: None,
            found: Collect::default(),
        }
    }

    /// Reads a saved state.
    ///
    /// # Errors
    /// The bytes are not an optimizer's state.
    pub(super) fn resumed(mut self, state: Bytes) -> Result<Self, RecordError> {
        let reader = ModuleOptimizer::from(self.found.clone());
        self.saved = Some(reader.from_bytes(state)?);
        Ok(self)
    }

    /// Starts a sum of gradients.
    pub(super) fn no_gradients(
        &mut self,
        adapter: &Adapter,
        rates: &ModuleLearningRate,
    ) -> FlatGradients {
        if self.groups.is_empty() {
            self.groups = groups(adapter, rates);
            if let Some(mut saved) = self.saved.take() {
                saved.step(0.0, adapter.clone(), values_as_gradients(adapter));
                self.take_found();
            }
        }
        let parts = self.groups.iter();
        FlatGradients {
            parts: parts.map(|group| (group.members.clone(), None)).collect(),
        }
    }

    /// Concatenates the states that were read for each parameter. A parameter without a state starts with moments of 0.
    fn take_found(&mut self) {
        let mut found = self.found.take();
        for group in &mut self.groups {
            let of_member = |member: &Member| found.get_mut(member.place).and_then(Option::take);
            let states: Vec<_> = group.members.iter().map(of_member).collect();
            let Some(time) = states.iter().flatten().map(|state| state.time).max() else {
                continue;
            };
            let (mut first, mut second) = (Vec::new(), Vec::new());
            for (member, state) in group.members.iter().zip(states) {
                let zeros = || Tensor::zeros(member.shape, &member.device);
                let moments = state.map(|state| (state.moment_1, state.moment_2));
                let (moment_1, moment_2) = moments.unwrap_or_else(|| (zeros(), zeros()));
                first.push(moment_1);
                second.push(moment_2);
            }
            group.state = Some(AdamWState {
                momentum: AdaptiveMomentumState {
                    time,
                    moment_1: concatenated(first),
                    moment_2: concatenated(second),
                    max_moment_2: None,
                },
            });
        }
    }

    /// Updates all parameters.
    pub(super) fn step(
        &mut self,
        rates: &ModuleLearningRate,
        adapter: Adapter,
        gradients: FlatGradients,
    ) -> Adapter {
        let mut values = values(&adapter);
        let mut updated = GradientsParams::new();
        for (group, (_, gradient)) in self.groups.iter_mut().zip(gradients.parts) {
            let (Some(gradient), Some(first)) = (gradient, group.members.first()) else {
                continue;
            };
            let rate = rates.lr_from_param(first.id, Some(&first.path));
            let of_member = |member: &Member| values[member.place].take();
            let parameters = concatenated(group.members.iter().filter_map(of_member).collect());
            let state = group.state.take();
            let (parameters, state) = self.adamw.step(rate, parameters, gradient, state);
            group.state = state;
            for (member, value) in parts(&group.members, &parameters) {
                updated.register(member.id, value);
            }
        }
        ModuleOptimizer::from(Assign).step(0.0, adapter, updated)
    }

    /// Serializes the state of every parameter, as burn does with one optimizer for each.
    pub(super) fn state(&self, adapter: &Adapter) -> Result<Bytes, RecordError> {
        if let Some(saved) = &self.saved {
            return saved.into_bytes();
        }
        let mut states: BTreeMap<usize, AdaptiveMomentumState<2>> = BTreeMap::new();
        for group in &self.groups {
            let Some(AdamWState { momentum }) = &group.state else {
                continue;
            };
            let first = parts(&group.members, &momentum.moment_1);
            let second = parts(&group.members, &momentum.moment_2);
            for ((member, moment_1), (_, moment_2)) in first.zip(second) {
                let state = AdaptiveMomentumState {
                    time: momentum.time,
                    moment_1,
                    moment_2,
                    max_moment_2: None,
                };
                states.insert(member.place, state);
            }
        }
        // The states of all parameters or of none: a step updates all of them.
        let mut gradients = GradientsParams::new();
        if !states.is_empty() {
            gradients = values_as_gradients(adapter);
        }
        let mut writer = ModuleOptimizer::from(Restore::of(states.into_values()));
        writer.step(0.0, adapter.clone(), gradients);
        writer.into_bytes()
    }
}

impl FlatGradients {
    /// Adds the gradients of a micro-batch; a parameter without one has a gradient of 0.
    pub(super) fn add(&mut self, mut gradients: GradientsParams) {
        for (members, sum) in &mut self.parts {
            let of_member = |member: &Member| {
                let found = gradients.remove::<2>(member.id);
                found.unwrap_or_else(|| Tensor::zeros(member.shape, &member.device))
            };
            let gradient = concatenated(members.iter().map(of_member).collect());
            *sum = Some(match sum.take() {
                Some(sum) => sum + gradient,
                None => gradient,
            });
        }
    }

    /// The gradients, group by group.
    pub(super) fn each(&self) -> Vec<&Tensor<1>> {
        self.parts
            .iter()
            .filter_map(|part| part.1.as_ref())
            .collect()
    }

    /// Returns the gradients times a factor `[1]`, if there is one.
    pub(super) fn scaled(mut self, factor: Option<Tensor<1>>) -> Self {
        let Some(factor) = factor else {
            return self;
        };
        for (_, gradient) in &mut self.parts {
            *gradient = gradient.take().map(|gradient| gradient * factor.clone());
        }
        self
    }
}

/// Cuts a concatenated tensor into those of the members.
fn parts<'a>(
    members: &'a [Member],
    tensor: &'a Tensor<1>,
) -> impl Iterator<Item = (&'a Member, Tensor<2>)> {
    members.iter().scan(0, move |start, member| {
        let part = tensor.clone().narrow(0, *start, member.len());
        *start += member.len();
        Some((member, part.reshape(member.shape)))
    })
}

/// Divides the parameters by learning rate; a large one forms a group alone.
fn groups(adapter: &Adapter, rates: &ModuleLearningRate) -> Vec<Group> {
    let mut visitor = Parameters::default();
    adapter.visit(&mut visitor);
    let mut by_rate: BTreeMap<(u64, usize), Vec<Member>> = BTreeMap::new();
    for member in visitor.members {
        let rate = rates.lr_from_param(member.id, Some(&member.path));
        let alone = if member.len() > LARGE {
            member.place + 1
        } else {
            0
        };
        let key = (rate.to_bits(), alone);
        by_rate.entry(key).or_default().push(member);
    }
    let group = |members: Vec<Member>| Group {
        members: members.into(),
        state: None,
    };
    by_rate.into_values().map(group).collect()
}

/// The values of all parameters, in the order in which a module is visited.
fn values(adapter: &Adapter) -> Vec<Option<Tensor<2>>> {
    let mut visitor = Parameters::default();
    adapter.visit(&mut visitor);
    visitor.values.into_iter().map(Some).collect()
}

/// Gradients with the parameters' own values, for an optimizer that moves states and leaves values unchanged.
fn values_as_gradients(adapter: &Adapter) -> GradientsParams {
    let mut visitor = Parameters::default();
    adapter.visit(&mut visitor);
    let mut gradients = GradientsParams::new();
    for (member, value) in visitor.members.into_iter().zip(visitor.values) {
        gradients.register(member.id, value);
    }
    gradients
}

/// Collects the parameters of a module, with their paths.
#[derive(Default)]
struct Parameters {
    path: Vec<String>,
    members: Vec<Member>,
    values: Vec<Tensor<2>>,
}

impl ModuleVisitor for Parameters {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let value = parameter.val().inner();
        let dims = value.dims();
        let [rows, columns] = [dims[0], dims[1..].iter().product()];
        self.members.push(Member {
            id: parameter.id,
            path: self.path.join("."),
            shape: [rows, columns],
            place: self.members.len(),
            device: value.device(),
        });
        self.values.push(value.reshape([rows, columns]));
    }
}

/// An optimizer that makes of each gradient the new value: it writes given values into a module.
#[derive(Clone)]
struct Assign;

impl Optimizer for Assign {
    type State<const D: usize> = PortableState<AdamWState<D>>;

    fn step<const D: usize>(
        &self,
        _rate: LearningRate,
        _tensor: Tensor<D>,
        gradient: Tensor<D>,
        _state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        (gradient, None)
    }

    fn to_device<const D: usize>(state: Self::State<D>, _device: &Device) -> Self::State<D> {
        state
    }
}

/// An optimizer that hands out the saved state of each parameter, in the order in which a module is visited, and changes
/// nothing.
#[derive(Clone, Default)]
struct Collect(Arc<Mutex<Vec<Option<AdaptiveMomentumState<2>>>>>);

impl Collect {
    fn take(&self) -> Vec<Option<AdaptiveMomentumState<2>>> {
        let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut found)
    }
}

impl Optimizer for Collect {
    type State<const D: usize> = PortableState<AdamWState<D>>;

    fn step<const D: usize>(
        &self,
        _rate: LearningRate,
        tensor: Tensor<D>,
        _gradient: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let of_two = |PortableState(state): PortableState<AdamWState<D>>| {
            let AdamWState { momentum } = state;
            let dims = momentum.moment_1.dims();
            let shape = [dims[0], dims[1..].iter().product()];
            AdaptiveMomentumState {
                time: momentum.time,
                moment_1: momentum.moment_1.reshape(shape),
                moment_2: momentum.moment_2.reshape(shape),
                max_moment_2: None,
            }
        };
        let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        found.push(state.map(of_two));
        (tensor, None)
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        <Portable<AdamW> as Optimizer>::to_device(state, device)
    }
}

/// An optimizer that takes the state of each parameter from a list, in the order in which a module is visited, and
/// changes nothing.
#[derive(Clone)]
struct Restore(Arc<Mutex<VecDeque<AdaptiveMomentumState<2>>>>);

impl Restore {
    fn of(states: impl Iterator<Item = AdaptiveMomentumState<2>>) -> Self {
        Self(Arc::new(Mutex::new(states.collect())))
    }
}

impl Optimizer for Restore {
    type State<const D: usize> = PortableState<AdamWState<D>>;

    fn step<const D: usize>(
        &self,
        _rate: LearningRate,
        tensor: Tensor<D>,
        _gradient: Tensor<D>,
        _state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let state = states.pop_front().map(|state| {
            let shape = tensor.shape();
            PortableState(AdamWState {
                momentum: AdaptiveMomentumState {
                    time: state.time,
                    moment_1: state.moment_1.reshape(shape.clone()),
                    moment_2: state.moment_2.reshape(shape),
                    max_moment_2: None,
                },
            })
        });
        (tensor, state)
    }

    fn to_device<const D: usize>(state: Self::State<D>, _device: &Device) -> Self::State<D> {
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_parameter_is_updated_alone_and_the_others_together() {
        assert_eq!(updated_together(&[]), 0);
        assert_eq!(updated_together(&[[16, 64], [64, 16], [1, 8]]), 2056);
        assert_eq!(
            updated_together(&[[16, 64], [1 << 16, 256]]),
            (1 << 24) + 1024
        );
        let large = (1 << 16) * 512;
        assert_eq!(updated_together(&[[16, 64], [1 << 16, 512]]), large);
    }
}
