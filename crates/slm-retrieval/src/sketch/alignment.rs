//! The longest common subsequence of two sequences, with its places.

/// Returns the places of a longest common subsequence: pairs of indices in `a` and `b`, both increasing.
///
/// Of several longest ones it is the one found from the start: equal elements are taken, else one element of `a` is
/// passed over if that loses nothing, else one of `b`. Time and memory are proportional to `a.len() * b.len()`.
pub fn common_subsequence<T: Eq>(a: &[T], b: &[T]) -> Vec<(usize, usize)> {
    let width = b.len() + 1;
    // Entry (i, j) is the length for the suffixes a[i..] and b[j..].
    let mut table = vec![0_u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            table[i * width + j] = if a[i] == b[j] {
                table[(i + 1) * width + j + 1] + 1
            } else {
                table[(i + 1) * width + j].max(table[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut pairs = Vec::new();
    while i < a.len() && j < b.len() {
        if a[i] == b[j] {
            pairs.push((i, j));
            i += 1;
            j += 1;
        } else if table[(i + 1) * width + j] >= table[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}
