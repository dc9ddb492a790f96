//! Weighted sums of tensors in one pass, in any mix of f32 and one narrow format.

use burn_backend::DType;
use burn_backend::cubecl::dtype_to_elem_type;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use crate::tensors::{
    Output, address_type, assert_same_shape, contiguous, empty_like, len, matrix, vector_grid,
    vector_width,
};

/// Most terms of one launch.
pub const MOST_TERMS: usize = 6;

#[cube(launch, address_type = "dynamic")]
fn sum_kernel<A: Float, C: Float, O: Float, N: Size>(
    wide: &Sequence<Box<[Vector<f32, N>]>>,
    narrow: &Sequence<Box<[Vector<A, N>]>>,
    bias: &Sequence<Box<[Vector<C, N>]>>,
    out: &mut [Vector<O, N>],
    wide_factors: &Sequence<f32>,
    narrow_factors: &Sequence<f32>,
    vectors: usize,
    bias_vectors: usize,
    #[define(A, C, O)] _kinds: [ElemType; 3],
) {
    let at = ABSOLUTE_POS;
    if at < vectors {
        let mut sum = Vector::<f32, N>::new(0.0f32);
        #[unroll]
        for i in 0..wide.len() {
            sum += wide[i][at] * Vector::<f32, N>::new(wide_factors[i]);
        }
        #[unroll]
        for i in 0..narrow.len() {
            let value = Vector::<f32, N>::cast_from(narrow[i][at]);
            sum += value * Vector::<f32, N>::new(narrow_factors[i]);
        }
        #[unroll]
        for i in 0..bias.len() {
            sum += Vector::<f32, N>::cast_from(bias[i][at % bias_vectors]);
        }
        out[at] = Vector::<O, N>::cast_from(sum);
    }
}

/// Computes the sum of the terms, each multiplied by its factor, plus `bias` in every row, in single precision.
///
/// Terms in f32 are added first. The result is written over a term of its number format that no other tensor shares.
///
/// # Shapes
/// each term `[n, m]`, in f32 or one narrow float type; `bias`: `[m]`; returns `[n, m]` in `out`
///
/// # Panics
/// without a term, with more than [`MOST_TERMS`], or with two narrow formats
pub fn sum_scaled(
    terms: Vec<(CubeTensor, f32)>,
    bias: Option<CubeTensor>,
    out: DType,
) -> CubeTensor {
    assert!(
        (1..=MOST_TERMS).contains(&terms.len()),
        "sum_scaled: expected 1 to {MOST_TERMS} terms, found {}",
        terms.len()
    );
    let like = &terms[0].0;
    for (term, _) in &terms {
        assert_same_shape("sum_scaled", like, term);
    }
    let [_, row] = matrix(like);
    if len(like) == 0 {
        return empty_like(like, out);
    }
    let contiguous_terms = terms
        .into_iter()
        .map(|(term, factor)| (contiguous(term), factor));
    let (wide, narrow): (Vec<_>, Vec<_>) =
        contiguous_terms.partition(|(term, _)| term.dtype == DType::F32);
    let narrow_kind = narrow.first().map_or(DType::F32, |(term, _)| term.dtype);
    assert!(
        narrow.iter().all(|(term, _)| term.dtype == narrow_kind),
        "sum_scaled: terms in two narrow formats"
    );
    if let Some(bias) = &bias {
        assert_eq!(len(bias), row, "sum_scaled: length of the bias");
    }
    let bias_kind = bias.as_ref().map_or(DType::F32, |bias| bias.dtype);
    let terms: Vec<&CubeTensor> = wide.iter().chain(&narrow).map(|(term, _)| term).collect();
    let client = terms[0].client.clone();
    let mut kinds: Vec<DType> = terms.iter().map(|term| term.dtype).collect();
    kinds.push(out);
    let width = vector_width(&client, row, &kinds);
    let vectors = len(terms[0]) / width;
    let (count, dim) = vector_grid(&client, vectors);
    let addresses = address_type(&terms);
    let output = output_of(&terms, out);
    let factors = |terms: &[(CubeTensor, f32)]| terms.iter().map(|(_, factor)| *factor).collect();
    let (wide_factors, narrow_factors) = (factors(&wide), factors(&narrow));
    let bias = bias.map(|bias| contiguous(bias).into_buffer_arg());
    sum_kernel::launch(
        &client,
        count,
        dim,
        addresses,
        width,
        buffers(wide),
        buffers(narrow),
        bias.into_iter().collect(),
        output.arg,
        wide_factors,
        narrow_factors,
        vectors,
        row / width,
        [narrow_kind, bias_kind, out].map(dtype_to_elem_type),
    );
    output.tensor
}

/// The terms' buffers as a kernel takes them.
fn buffers<T: LaunchArg<RuntimeArg = BufferArg>>(terms: Vec<(CubeTensor, f32)>) -> SequenceArg<T> {
    let buffers = terms.into_iter().map(|(term, _)| term.into_buffer_arg());
    buffers.collect()
}

/// Takes the first term that may be overwritten, or a new tensor.
fn output_of(terms: &[&CubeTensor], out: DType) -> Output {
    let usable = |term: &&CubeTensor| term.dtype == out && term.can_mut();
    match terms.iter().position(usable) {
        Some(at) => Output::in_place_of(terms[at], at, out),
        None => Output::new(empty_like(terms[0], out)),
    }
}

/// Computes `x * factor` in single precision and stores it as `out`.
pub fn scaled_cast(x: CubeTensor, factor: f32, out: DType) -> CubeTensor {
    sum_scaled(vec![(x, factor)], None, out)
}

/// The kernels as a GPU runs them.
#[cfg(feature = "ptx")]
pub(crate) fn offline() -> Vec<crate::offline::OfflineKernel> {
    use crate::offline::{BF16, F32, OfflineKernel, buffer, device, in_place, settings, target};
    let scalars = |n: usize| (0..n).map(|_| ()).collect::<SequenceCompilationArg<f32>>();
    let buffers = |n: usize| (0..n).map(|_| buffer()).collect();
    let kernel = |name, wide: usize, narrow: usize, bias: usize, out, kind| {
        let kernel = sum_kernel::SumKernel::new(
            settings(256),
            device(),
            target(),
            buffers(wide),
            (0..narrow).map(|_| buffer()).collect(),
            (0..bias).map(|_| buffer()).collect(),
            out,
            scalars(wide),
            scalars(narrow),
            (),
            (),
            8,
            [BF16, BF16, kind],
        );
        OfflineKernel::new(name, kernel)
    };
    vec![
        kernel("sum_scaled (f32 and bf16)", 1, 1, 0, in_place(0), F32),
        kernel("sum_scaled (2 terms, bias)", 0, 2, 1, in_place(0), BF16),
        kernel("sum_scaled (6 terms)", 0, 6, 0, buffer(), F32),
    ]
}
