//! The product of two matrices, by the `gemm` crate.

/// A matrix: its elements, and the distances between rows and between columns.
pub type Matrix<'a> = (&'a [f32], [usize; 2]);

/// out = left · right, or plus it if `add`, with `[rows, columns, common]` and out without gaps.
pub fn matmul(size: [usize; 3], left: Matrix, right: Matrix, out: &mut [f32], add: bool) {
    let [m, n, k] = size;
    let end = |rows: usize, columns: usize, [by_row, by_column]: [usize; 2]| {
        (rows - 1) * by_row + (columns - 1) * by_column + 1
    };
    assert!(m > 0 && n > 0 && k > 0 && out.len() == m * n);
    assert!(left.0.len() >= end(m, k, left.1) && right.0.len() >= end(k, n, right.1));
    // SAFETY: the asserts above keep every element that the sizes and distances name within its
    // slice, and `out` is borrowed alone.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n as isize,
            add,
            left.0.as_ptr(),
            left.1[1] as isize,
            left.1[0] as isize,
            right.0.as_ptr(),
            right.1[1] as isize,
            right.1[0] as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
