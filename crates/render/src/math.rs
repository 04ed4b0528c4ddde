//! Vectors of three and quantities that are affine in pixel coordinates.

pub(crate) type Vec3 = [f32; 3];

pub(crate) fn dot(a: Vec3, b: Vec3) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(crate) fn sub(a: Vec3, b: Vec3) -> Vec3 {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub(crate) fn scale(a: Vec3, k: f32) -> Vec3 {
    [a[0] * k, a[1] * k, a[2] * k]
}

/// The products of the components.
pub(crate) fn mul(a: Vec3, b: Vec3) -> Vec3 {
    [a[0] * b[0], a[1] * b[1], a[2] * b[2]]
}

pub(crate) fn cross(a: Vec3, b: Vec3) -> Vec3 {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// The vector at length one, or zero if it has no direction.
pub(crate) fn unit(a: Vec3) -> Vec3 {
    let length = dot(a, a).sqrt();
    if length > 0.0 && length.is_finite() { scale(a, 1.0 / length) } else { [0.0; 3] }
}

/// `at + dx * column + dy * row`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Affine {
    pub at: f32,
    pub dx: f32,
    pub dy: f32,
}

impl Affine {
    #[inline(always)]
    pub fn eval(&self, x: f32, y: f32) -> f32 {
        self.at + self.dx * x + self.dy * y
    }

    /// `n . v` for a vector of affine components.
    pub fn dot(n: Vec3, v: &[Affine; 3]) -> Affine {
        Affine {
            at: dot(n, [v[0].at, v[1].at, v[2].at]),
            dx: dot(n, [v[0].dx, v[1].dx, v[2].dx]),
            dy: dot(n, [v[0].dy, v[1].dy, v[2].dy]),
        }
    }
}

/// A vector of affine components at a column and row.
#[inline(always)]
pub(crate) fn eval(v: &[Affine; 3], x: f32, y: f32) -> Vec3 {
    [v[0].eval(x, y), v[1].eval(x, y), v[2].eval(x, y)]
}
