//! The state of a distillation that goes on, in one file: safetensors with the network and both
//! moments of each parameter, and the course so far in its header.

use std::collections::HashMap;
use std::path::PathBuf;

use burn::backend::Autodiff;
use burn::module::{AutodiffModule, Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::Optimizer;
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::record::AdaptorRecord;
use burn::tensor::{Tensor, backend::Backend};
use serde::{Deserialize, Serialize};

use super::adam::{Adam, AdamState};
use super::distill::DistillConfig;
use crate::error::{Error, Result};
use crate::files::write_whole;
use crate::model::weights::{Precision, TensorFile, to_bytes};
use crate::model::{ModelBackend, Pdn};

type Network<B> = Pdn<Autodiff<B>>;
type Optimiser<B> = OptimizerAdaptor<Adam, Network<B>, Autodiff<B>>;
/// The optimiser's state of each parameter.
type Records<B> = <Optimiser<B> as Optimizer<Network<B>, Autodiff<B>>>::Record;

/// What a distillation has done so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Course {
    pub config: DistillConfig,
    /// How many images it draws from.
    pub images: usize,
    pub losses: Vec<f32>,
    pub validation: Vec<(usize, f32)>,
}

/// Three networks of one shape.
#[derive(Module, Debug)]
struct State<B: Backend> {
    network: Pdn<B>,
    first: Pdn<B>,
    second: Pdn<B>,
}

/// What a file held.
pub struct Resumed<B: ModelBackend> {
    pub network: Network<B>,
    pub optimiser: Optimiser<B>,
    pub course: Course,
}

/// The key of the course in the header.
const COURSE: &str = "course";

/// Where the state goes.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    pub path: PathBuf,
    /// Steps between two writes.
    pub every: usize,
}

impl Checkpoint {
    /// Writes the state whole.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] naming the file.
    pub fn write<B: ModelBackend>(
        &self,
        network: &Network<B>,
        optimiser: &Optimiser<B>,
        course: &Course,
    ) -> Result<()> {
        let records = optimiser.to_record();
        let moment = |second| {
            let records = &records;
            network.valid().map(&mut Moment::<B> { records, second })
        };
        let state = State {
            network: network.valid(),
            first: moment(false),
            second: moment(true),
        };
        let course = serde_json::to_string(course).map_err(|e| self.broken(&e.to_string()))?;
        let header = HashMap::from([(COURSE.to_string(), course)]);
        let bytes = to_bytes(&state, str::to_string, Precision::Full, header)?;
        write_whole(&self.path, &bytes)
    }

    /// The state in the file, `None` if there is no file.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], and [`Error::Format`] for a file that is not a checkpoint of this recipe on
    /// so many images.
    pub fn read<B: ModelBackend>(
        &self,
        network: Network<B>,
        optimiser: Optimiser<B>,
        start: &Course,
    ) -> Result<Option<Resumed<B>>> {
        if !self.path.exists() {
            return Ok(None);
        }
        let file = TensorFile::read(&self.path)?;
        let course = file
            .metadata
            .get(COURSE)
            .and_then(|text| serde_json::from_str(text).ok());
        let course: Course = course.ok_or_else(|| self.broken("not a checkpoint"))?;
        if course.config != start.config || course.images != start.images {
            let reason = "a checkpoint of another recipe or of other images; remove it, or write \
                          results to another folder";
            return Err(self.broken(reason));
        }
        let plain = network.valid();
        let state = State {
            network: plain.clone(),
            first: plain.clone(),
            second: plain,
        };
        let state = file.fill(state, str::to_string)?;
        let mut records = Records::<B>::default();
        let steps = course.losses.len();
        for (network, second) in [(&state.first, false), (&state.second, true)] {
            network.visit(&mut IntoRecords::<B> {
                records: &mut records,
                steps,
                second,
            });
        }
        // By its record: what is to have gradients stays so.
        let read = Network::<B>::from_inner(state.network);
        let network = network.load_record(read.into_record());
        Ok(Some(Resumed {
            network,
            optimiser: optimiser.load_record(records),
            course,
        }))
    }

    fn broken(&self, reason: &str) -> Error {
        Error::Format {
            path: self.path.clone(),
            reason: reason.to_string(),
        }
    }
}

/// Puts a moment of each parameter in its place.
struct Moment<'a, B: ModelBackend> {
    records: &'a Records<B>,
    second: bool,
}

impl<B: ModelBackend> ModuleMapper<B> for Moment<'_, B> {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let moment = match self.records.get(&parameter.id) {
            Some(record) => {
                let state: AdamState<B, D> = record.clone().into_state();
                if self.second {
                    state.second
                } else {
                    state.first
                }
            }
            None => parameter.val().zeros_like(),
        };
        Param::initialized(parameter.id, moment)
    }
}

/// Takes the moments of each parameter.
struct IntoRecords<'a, B: ModelBackend> {
    records: &'a mut Records<B>,
    steps: usize,
    second: bool,
}

impl<B: ModelBackend> ModuleVisitor<B> for IntoRecords<'_, B> {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<B, D>>) {
        let moment = parameter.val();
        let mut state = match self.records.remove(&parameter.id) {
            Some(record) => record.into_state(),
            None => AdamState {
                steps: self.steps,
                first: moment.clone(),
                second: moment.clone(),
            },
        };
        if self.second {
            state.second = moment;
        }
        let record = AdaptorRecord::from_state(state);
        self.records.insert(parameter.id, record);
    }
}
