//! Gradients, and what the passes compute.

use super::super::{brightness, check, possible};
use super::*;
use crate::config::Precision;
use candle_core::Var;

/// Variables of blocks `(kernel, stride, padding, inputs, outputs)`; the last has a bias and no ReLU.
struct Variables {
    shapes: Vec<ConvShape>,
    weights: Vec<Var>,
    bias: Var,
    gammas: Vec<Var>,
    betas: Vec<Var>,
    log_temperature: Var,
}

impl Variables {
    fn new(blocks: &[(usize, usize, usize, usize, usize)]) -> Self {
        let each = |name: &str, size: &dyn Fn(usize) -> Vec<usize>| -> Vec<Var> {
            (0..blocks.len()).map(|i| check::normal(&format!("{name}{i}"), &size(i))).collect()
        };
        let last = blocks.len() - 1;
        Self {
            shapes: blocks
                .iter()
                .map(|&(kernel, stride, padding, ..)| ConvShape { kernel, stride, padding })
                .collect(),
            weights: each("weight", &|i| {
                vec![blocks[i].0 * blocks[i].0 * blocks[i].3, blocks[i].4]
            }),
            bias: check::normal("bias", &[blocks[last].4]),
            gammas: each("gamma", &|i| vec![blocks[i].4]),
            betas: each("beta", &|i| vec![blocks[i].4]),
            log_temperature: check::normal("temperature", &[1]),
        }
    }

    fn blocks(&self) -> Vec<Block<'_>> {
        let last = self.shapes.len() - 1;
        (0..=last)
            .map(|i| Block {
                shape: self.shapes[i],
                relu: i < last,
                weight: &self.weights[i],
                bias: (i == last).then_some(self.bias.as_tensor()),
                gamma: &self.gammas[i],
                beta: &self.betas[i],
            })
            .collect()
    }
}

#[test]
fn gradients_match_differences() {
    // One block alone, then strides, kernels and channels that do not fill a panel or span more than one.
    for blocks in [
        vec![(3, 1, 1, 2, 5)],
        vec![(4, 2, 1, 2, 3), (3, 1, 1, 3, 18), (1, 1, 0, 18, 4)],
        vec![(1, 1, 0, 2, 34), (3, 2, 1, 34, 3)],
    ] {
        let x = check::normal("x", &[3, 7, 9, 2]);
        let variables = Variables::new(&blocks);
        let Variables { weights, gammas, betas, bias, log_temperature, .. } = &variables;
        let vars = weights.iter().chain(gammas).chain(betas).chain([bias, log_temperature]);
        let target = check::normal("target", &[3, 2 * blocks[blocks.len() - 1].4]);
        check::gradients(&vars.collect::<Vec<_>>(), 1e-3, 2e-2, &|| {
            let (y, _) =
                conv_stack(&x, &variables.blocks(), Some(log_temperature), Products::default())?;
            (y * target.as_tensor())?.sum_all()
        });
    }
}

#[test]
fn agrees_with_the_definition() {
    let variables = Variables::new(&[(3, 2, 1, 2, 19)]);
    let x = check::normal("x", &[2, 6, 7, 2]);
    let block = Block { relu: true, bias: None, ..variables.blocks()[0] };
    let (y, stats) =
        conv_stack(&x, &[block], Some(&variables.log_temperature), Products::default()).unwrap();
    assert_eq!(y.dims(), [2, 38]);
    let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let (x, weight, y) = (flat(&x), flat(&variables.weights[0]), flat(&y));
    let (gamma, beta) = (flat(&variables.gammas[0]), flat(&variables.betas[0]));
    let temperature = f64::from(flat(&variables.log_temperature)[0]).exp();
    let at = |image: usize, oy: usize, ox: usize, output: usize| {
        let mut sum = 0.0;
        for (ky, kx, c) in (0..18).map(|i| (i / 6, i / 2 % 3, i % 2)) {
            let (row, column) = ((2 * oy + ky).wrapping_sub(1), (2 * ox + kx).wrapping_sub(1));
            if row < 6 && column < 7 {
                let value = x[((image * 6 + row) * 7 + column) * 2 + c];
                sum += f64::from(value * weight[((ky * 3 + kx) * 2 + c) * 19 + output]);
            }
        }
        sum
    };
    // Three rows of four columns in each of two images.
    let places: Vec<_> = (0..24).map(|i| (i / 12, i / 4 % 3, i % 4)).collect();
    for output in 0..19 {
        let column: Vec<f64> = places.iter().map(|&(i, y, x)| at(i, y, x, output)).collect();
        let mean = column.iter().sum::<f64>() / 24.0;
        let var = column.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 24.0;
        assert!((f64::from(stats[0].mean[output]) - mean).abs() < 1e-5);
        assert!((f64::from(stats[0].var[output]) - var).abs() < 1e-4 * var.max(1.0));
        for image in 0..2 {
            let (mut total, mut across, mut down) = (0.0, 0.0, 0.0);
            for (value, &(_, y, x)) in column.iter().zip(&places).skip(12 * image).take(12) {
                let standard = (value - mean) / (var + 1e-5).sqrt();
                let map = standard * f64::from(gamma[output]) + f64::from(beta[output]);
                let weight = (map.max(0.0) * temperature).exp();
                total += weight;
                across += weight * (2.0 * x as f64 / 3.0 - 1.0);
                down += weight * (y as f64 - 1.0);
            }
            for (at, want) in [(output, across / total), (19 + output, down / total)] {
                assert!((f64::from(y[38 * image + at]) - want).abs() < 1e-4, "{want}");
            }
        }
    }
}

#[test]
fn the_given_statistics_agree() {
    let variables = Variables::new(&[(4, 2, 1, 2, 3), (3, 1, 1, 3, 18)]);
    let x = check::normal("x", &[2, 8, 8, 2]);
    let (blocks, temperature) = (variables.blocks(), Some(variables.log_temperature.as_tensor()));
    let (y, stats) = conv_stack(&x, &blocks, temperature, Products::default()).unwrap();
    let again = conv_stack_with(&x, &blocks, temperature, &stats).unwrap();
    assert_eq!(again.to_vec2::<f32>().unwrap(), y.to_vec2::<f32>().unwrap());
}

#[test]
fn gradients_match_differences_without_a_softmax_and_at_any_stride() {
    // Through the second block's input: windows that overlap, touch, and leave pixels out.
    for second in [(4, 2, 1, 3, 2), (3, 3, 0, 3, 2), (2, 3, 1, 3, 2), (5, 3, 2, 3, 2)] {
        let x = check::normal("x", &[2, 8, 9, 2]);
        let variables = Variables::new(&[(3, 1, 1, 2, 3), second]);
        let vars: Vec<&Var> = variables.weights.iter().chain(&variables.gammas).collect();
        let y = conv_stack(&x, &variables.blocks(), None, Products::default()).unwrap().0;
        let target = check::normal("target", y.dims());
        check::gradients(&vars, 1e-3, 2e-2, &|| {
            (conv_stack(&x, &variables.blocks(), None, Products::default())?.0
                * target.as_tensor())?
            .mean_all()
        });
    }
}

#[test]
fn bf16_gives_the_gradients_of_f32_but_for_rounding() {
    // Strides, channels that fill no panel, and a first block of three; a ReLU that rounding opens counts much.
    for blocks in [
        vec![(8, 4, 2, 3, 16), (3, 1, 1, 16, 32), (1, 1, 0, 32, 8)],
        vec![(4, 2, 1, 3, 5), (3, 2, 1, 5, 18)],
    ] {
        let x = check::normal("x", &[3, 32, 40, 3]);
        let variables = Variables::new(&blocks);
        let Variables { weights, gammas, betas, .. } = &variables;
        let gradients = |precision| {
            let (y, _) = conv_stack(
                &x,
                &variables.blocks(),
                None,
                Products { precision, ..Products::default() },
            )
            .unwrap();
            let target = check::normal("target", y.dims());
            let store = (y * target.as_tensor()).unwrap().sum_all().unwrap().backward().unwrap();
            let vars = weights.iter().chain(gammas).chain(betas);
            let by = |var: &Var| store.get(var.as_tensor()).unwrap().flatten_all().unwrap();
            vars.map(|var| by(var).to_vec1::<f32>().unwrap()).collect::<Vec<_>>()
        };
        let [rounded, exact] = [Precision::Bf16, Precision::F32].map(gradients);
        for (rounded, exact) in rounded.iter().zip(&exact) {
            let size = exact.iter().map(|value| value * value).sum::<f32>();
            let error = exact.iter().zip(rounded).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
            assert!(error < 1e-2 * size, "{error} of {size}");
        }
        assert_eq!(rounded[0] == exact[0], possible(Precision::Bf16).is_f32());
    }
}

#[test]
fn bytes_are_the_numbers_they_stand_for() {
    let variables = Variables::new(&[(4, 2, 1, 3, 5), (3, 1, 1, 5, 8)]);
    let bytes: Vec<u8> = (0..2 * 6 * 7 * 3).map(|i| (i * 37 % 256) as u8).collect();
    let numbers: Vec<f32> = bytes.iter().map(|&byte| brightness(byte)).collect();
    assert_eq!((brightness(0), brightness(255)), (-1.0, 1.0));
    let bytes = Tensor::from_vec(bytes, (2, 6, 7, 3), &Device::Cpu).unwrap();
    let numbers = Tensor::from_vec(numbers, (2, 6, 7, 3), &Device::Cpu).unwrap();
    let blocks = variables.blocks();
    for precision in [Precision::F32, Precision::Bf16] {
        let [(of_bytes, stats), (of_numbers, _)] = [&bytes, &numbers].map(|x| {
            let products = Products { precision, ..Products::default() };
            let (y, stats) = conv_stack(x, &blocks, None, products).unwrap();
            let store = y.sum_all().unwrap().backward().unwrap();
            let grad = store.get(variables.weights[0].as_tensor()).unwrap();
            let values = [&y, grad].map(|t| t.flatten_all().unwrap().to_vec1::<f32>().unwrap());
            (values, stats)
        });
        assert_eq!(of_bytes, of_numbers);
        let given = |x| conv_stack_with(x, &blocks, None, &stats).unwrap().flatten_all().unwrap();
        assert_eq!(
            given(&bytes).to_vec1::<f32>().unwrap(),
            given(&numbers).to_vec1::<f32>().unwrap()
        );
    }
}
