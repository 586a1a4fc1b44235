//! The state of a training that goes on, in one file: safetensors with the module and both moments
//! of each parameter, and the state so far in its header.

use std::path::PathBuf;
use std::time::Duration;

use burn::backend::Autodiff;
use burn::module::{AutodiffModule, Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::Optimizer;
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::record::AdaptorRecord;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::adam::{Adam, AdamState};
use crate::data::Fingerprint;
use crate::error::{Error, Result, check};
use crate::features::ModelBackend;
use crate::features::weights::{HeaderEntry, Precision, TensorFile, Tensors, to_bytes};
use crate::files::{check_writable, write_atomic};
use crate::warning::warn;

/// Adam for a module.
pub type Optimiser<B, M> = OptimizerAdaptor<Adam, M, Autodiff<B>>;
/// The optimiser's state of each parameter.
type Records<B, M> = <Optimiser<B, M> as Optimizer<M, Autodiff<B>>>::Record;

/// Start of a training: its settings and the fingerprints of its images and networks.
pub trait Start: Clone + Serialize + DeserializeOwned {
    /// Number of steps.
    fn steps(&self) -> usize;

    /// Differences between this start and another, in words; empty if there is none.
    fn changes(&self, now: &Self) -> Vec<String>;
}

/// State of a training besides its weights: time, losses, validation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunState<S> {
    pub start: S,
    /// The time the steps took.
    pub time: Duration,
    /// The loss of every step.
    pub losses: Vec<f32>,
    /// Step and loss on the images held out, where they are measured.
    pub validation: Vec<(usize, f32)>,
}

impl<S> RunState<S> {
    /// No step done.
    pub fn new(start: S) -> Self {
        Self {
            start,
            time: Duration::ZERO,
            losses: Vec::new(),
            validation: Vec::new(),
        }
    }
}

/// The fields that two settings differ in, in words.
pub fn changed_fields<T: Serialize>(what: &str, then: &T, now: &T) -> Vec<String> {
    let fields = |settings| match serde_json::to_value(settings) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    let (then, now) = (fields(then), fields(now));
    let differ = now
        .iter()
        .filter(|(name, now)| then.get(*name) != Some(now));
    differ
        .map(|(name, now)| {
            let then = then.get(name).unwrap_or(&Value::Null);
            format!("{what} {name}: {then} then, {now} now")
        })
        .collect()
}

/// How a set of images has changed, in words.
pub fn changed_images(
    what: &str,
    then: Option<Fingerprint>,
    now: Option<Fingerprint>,
) -> Vec<String> {
    let count =
        |set: Option<Fingerprint>| set.map_or("none".to_string(), |set| set.images.to_string());
    match (then, now) {
        _ if then == now => Vec::new(),
        (Some(a), Some(b)) if a.images == b.images => {
            vec![format!(
                "{what}: as many as then ({}), but not the same",
                a.images
            )]
        }
        _ => vec![format!("{what}: {} then, {} now", count(then), count(now))],
    }
}

/// Whether two channel statistics are of the same network and images. Sums may be rounded in another
/// order where the device so chooses.
pub fn same_statistics(a: &[f32], b: &[f32]) -> bool {
    let largest = b.iter().fold(0.0_f32, |largest, v| largest.max(v.abs()));
    let near = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-4 * largest;
    a.len() == b.len() && a.iter().zip(b).all(near)
}

/// Module, optimiser and run state of a training.
pub struct TrainingState<B: ModelBackend, M: AutodiffModule<Autodiff<B>>, S> {
    pub module: M,
    pub optimiser: Optimiser<B, M>,
    pub run_state: RunState<S>,
}

/// The key of the run state in the header.
const RUN_STATE: &str = "run_state";

/// Where the state goes.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    pub path: PathBuf,
    /// Steps between two writes.
    pub every: usize,
    /// Whether to go on from a file of a training that began otherwise.
    pub accepts_changes: bool,
}

impl Checkpoint {
    /// A file to write after every so many steps.
    pub fn new(path: impl Into<PathBuf>, every: usize) -> Self {
        Self {
            path: path.into(),
            every,
            accepts_changes: false,
        }
    }

    /// Checks the interval, and that the file can be written.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for an interval of 0, [`Error::Io`] naming the file.
    pub fn validate(&self) -> Result<()> {
        let rule = "at least 1 step";
        check(self.every > 0, "checkpoint interval", self.every, rule)?;
        check_writable(&self.path)
    }

    /// Writes the state whole, if it is due or the last.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] naming the file.
    pub fn write<B: ModelBackend, M: AutodiffModule<Autodiff<B>>, S: Start>(
        &self,
        module: &M,
        optimiser: &Optimiser<B, M>,
        run_state: &RunState<S>,
    ) -> Result<()> {
        let (step, steps) = (run_state.losses.len(), run_state.start.steps());
        if !step.is_multiple_of(self.every) && step != steps {
            return Ok(());
        }
        let records = optimiser.to_record();
        let moment = |second| {
            let records = &records;
            module.valid().map(&mut Moment::<B, M> { records, second })
        };
        let state = [module.valid(), moment(false), moment(true)];
        let run_state =
            serde_json::to_string(run_state).map_err(|e| self.broken(&e.to_string()))?;
        let header = HeaderEntry {
            key: RUN_STATE,
            json: run_state,
        };
        let bytes = to_bytes(Tensors::of::<B, _>(&state)?, Precision::Full, Some(header))?;
        write_atomic(&self.path, &bytes)
    }

    /// The state in the file, `None` if there is no file.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], and [`Error::Format`] for a file that is not a checkpoint of a training that
    /// began like this one.
    pub fn read<B: ModelBackend, M: AutodiffModule<Autodiff<B>>, S: Start>(
        &self,
        module: M,
        optimiser: Optimiser<B, M>,
        start: &S,
    ) -> Result<Option<TrainingState<B, M, S>>> {
        if !self.path.exists() {
            return Ok(None);
        }
        let file = TensorFile::read(&self.path)?;
        let run_state = file
            .metadata
            .get(RUN_STATE)
            .and_then(|text| serde_json::from_str(text).ok());
        let run_state: RunState<S> = run_state.ok_or_else(|| {
            self.broken("not a checkpoint of such a training, or of another version of hypad")
        })?;
        if !file.has_checksum {
            return Err(self.broken("damaged: its checksum is missing"));
        }
        let changes = run_state.start.changes(start);
        if !changes.is_empty() {
            if !self.accepts_changes {
                return Err(self.broken(&format!(
                    "a checkpoint of another training: {}; remove it, write results to another \
                     folder, or say that it shall go on with these changes",
                    changes.join("; ")
                )));
            }
            let path = self.path.display();
            warn(format_args!(
                "{path}: goes on with changes: {}",
                changes.join("; ")
            ));
        }
        let run_state = RunState {
            start: start.clone(),
            ..run_state
        };
        let (steps, all) = (run_state.losses.len(), run_state.start.steps());
        if steps > all {
            return Err(self.broken(&format!(
                "a checkpoint after {steps} steps of a training that shall have {all}"
            )));
        }
        let plain = module.valid();
        let state = [plain.clone(), plain.clone(), plain];
        let [read, first, second] = file.fill::<B, _>(state, str::to_string)?;
        let mut records = Records::<B, M>::default();
        for (moment, is_second) in [(&first, false), (&second, true)] {
            moment.visit(&mut IntoRecords::<B, M> {
                records: &mut records,
                steps,
                second: is_second,
            });
        }
        // By its record: what is to have gradients stays so.
        let module = module.load_record(M::from_inner(read).into_record());
        Ok(Some(TrainingState {
            module,
            optimiser: optimiser.load_record(records),
            run_state,
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
struct Moment<'a, B: ModelBackend, M: AutodiffModule<Autodiff<B>>> {
    records: &'a Records<B, M>,
    second: bool,
}

impl<B: ModelBackend, M: AutodiffModule<Autodiff<B>>> ModuleMapper<B> for Moment<'_, B, M> {
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
struct IntoRecords<'a, B: ModelBackend, M: AutodiffModule<Autodiff<B>>> {
    records: &'a mut Records<B, M>,
    steps: usize,
    second: bool,
}

impl<B: ModelBackend, M: AutodiffModule<Autodiff<B>>> ModuleVisitor<B> for IntoRecords<'_, B, M> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Flex;
    use burn::nn::{Linear, LinearConfig};
    use rand::{Rng, SeedableRng, rngs::StdRng};

    type Network = Linear<Autodiff<Flex>>;

    #[derive(Clone, Serialize, Deserialize)]
    struct Nine;

    impl Start for Nine {
        fn steps(&self) -> usize {
            9
        }

        fn changes(&self, _: &Self) -> Vec<String> {
            Vec::new()
        }
    }

    /// 3,000 changes of bytes, insertions and cuts from one seed: none is accepted.
    #[test]
    fn a_file_with_any_change_is_refused() {
        let device = Default::default();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        let checkpoint = Checkpoint::new(&path, 4);
        let network: Network = LinearConfig::new(3, 2).init(&device);
        let optimiser = || Adam { weight_decay: 0.0 }.init::<Autodiff<Flex>, Network>();
        let run_state = RunState {
            losses: vec![0.0; 4],
            ..RunState::new(Nine)
        };
        checkpoint
            .write(&network, &optimiser(), &run_state)
            .unwrap();
        let whole = std::fs::read(&path).unwrap();
        let read = || checkpoint.read(network.clone(), optimiser(), &Nine);
        assert_eq!(read().unwrap().unwrap().run_state.losses.len(), 4);
        let mut rng = StdRng::seed_from_u64(1);
        for case in 0..3000 {
            let mut bytes = whole.clone();
            let at = rng.random_range(0..whole.len());
            match case % 4 {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, rng.random()),
                _ => bytes[at] ^= rng.random_range(1..=255_u8),
            }
            std::fs::write(&path, bytes).unwrap();
            let error = match read() {
                Err(error) => error.to_string(),
                Ok(_) => panic!("case {case}, byte {at}"),
            };
            assert!(error.contains("checkpoint.safetensors"), "{error}");
        }
    }
}
