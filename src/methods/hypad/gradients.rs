//! For tests: the gradients of a loss by all parameters of a student, in f64, where hardly a ReLU is
//! so near to its kink that rounding decides.

use burn::backend::{Autodiff, Flex};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Tensor};

use crate::methods::hypad::Student;

type A = Autodiff<Flex>;

/// The student in f64.
pub fn in_double(student: Student<A>) -> Student<A> {
    struct ToDouble;
    impl ModuleMapper<A> for ToDouble {
        fn map_float<const D: usize>(
            &mut self,
            parameter: Param<Tensor<A, D>>,
        ) -> Param<Tensor<A, D>> {
            parameter.map(|tensor| {
                let trained = tensor.is_require_grad();
                tensor.cast(DType::F64).detach().set_require_grad(trained)
            })
        }
    }
    student.map(&mut ToDouble)
}

/// The gradients of the parameters that have one.
pub fn gradients(loss: &Tensor<A, 1>, student: &Student<A>) -> Vec<Vec<f64>> {
    struct Collected(GradientsParams, Vec<Vec<f64>>);
    impl ModuleVisitor<A> for Collected {
        fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<A, D>>) {
            if let Some(grad) = self.0.get::<Flex, D>(parameter.id) {
                self.1.push(grad.into_data().iter::<f64>().collect());
            }
        }
    }
    let grads = GradientsParams::from_grads(loss.backward(), student);
    let mut collected = Collected(grads, Vec::new());
    student.visit(&mut collected);
    collected.1
}

/// Both losses and all their gradients are the same, to 1e-7 of the largest of a parameter, since
/// weights of a mean are f32. Returns how many parameters have gradients.
pub fn assert_same(found: &Tensor<A, 1>, expected: &Tensor<A, 1>, student: &Student<A>) -> usize {
    let number = |loss: &Tensor<A, 1>| loss.to_data().iter::<f64>().collect();
    let with_loss = |loss| {
        let value: Vec<f64> = number(loss);
        [vec![value], gradients(loss, student)].concat()
    };
    let (found, expected) = (with_loss(found), with_loss(expected));
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        let largest = expected.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        let pairs = found.iter().zip(expected);
        let apart = pairs.fold(0.0_f64, |m, (f, e)| m.max((f - e).abs()));
        assert!(
            largest > 0.0 && apart <= 1e-7 * largest,
            "{apart} of {largest}"
        );
    }
    found.len() - 1
}
