//! Contacts: which geoms may touch, how they do when they do, and where.
//!
//! Pairs that can touch are found once. Planes, spheres, capsules and boxes have closed forms here; everything else
//! goes to parry (rapier's geometry) as convex shapes.

mod boxes;
mod convex;
mod plane;
mod round;

use crate::model::Link;
use crate::{
    Description, Geom, Model, PhysicsError, Pose, Shape, Softness, Vec3, Workspace, inertia,
};
use convex::Hull;

/// A geom that takes part in contacts.
#[derive(Debug)]
pub(crate) struct Collider {
    pub body: usize,
    pub pose: Pose,
    pub shape: Shape,
    /// What parry knows of it.
    hull: Hull,
    /// Radius of a ball about its origin that contains it.
    reach: f64,
}

/// Two geoms that may touch.
#[derive(Debug)]
pub(crate) struct Pair {
    /// In the order of their kinds; the normal of a contact points from the first to the second.
    pub geoms: [usize; 2],
    pub bodies: [usize; 2],
    pub touch: Touch,
}

/// How two geoms touch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Touch {
    pub condim: usize,
    /// Two sliding, one torsional, two rolling.
    pub friction: [f64; 5],
    pub softness: Softness,
    pub margin: f64,
}

/// A point where two geoms touch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Contact {
    /// Index of the pair.
    pub pair: usize,
    /// Midway between the surfaces.
    pub point: Vec3,
    /// Unit vector from the first geom to the second.
    pub normal: Vec3,
    /// A direction for the first tangent; zero leaves the choice.
    pub tangent: Vec3,
    /// Negative when the geoms overlap.
    pub distance: f64,
}

/// Where the contacts of one pair go.
pub(crate) struct Found<'a> {
    contacts: &'a mut Vec<Contact>,
    pair: usize,
    margin: f64,
}

impl Found<'_> {
    /// Takes a contact if it is within the margin.
    #[inline]
    fn add(&mut self, point: Vec3, normal: Vec3, distance: f64) {
        self.add_along(point, normal, Vec3::zeros(), distance);
    }

    #[inline]
    fn add_along(&mut self, point: Vec3, normal: Vec3, tangent: Vec3, distance: f64) {
        if distance < self.margin {
            self.contacts.push(Contact { pair: self.pair, point, normal, tangent, distance });
        }
    }
}

/// The order of kinds that decides which geom of a pair is the first.
fn rank(shape: &Shape) -> usize {
    match shape {
        Shape::Plane => 0,
        Shape::Sphere { .. } => 2,
        Shape::Capsule { .. } => 3,
        Shape::Ellipsoid { .. } => 4,
        Shape::Cylinder { .. } => 5,
        Shape::Box { .. } => 6,
        Shape::Mesh(_) => 7,
    }
}

/// The colliders of a description and the pairs of them that may touch.
pub(crate) fn compile(
    description: &Description,
    links: &[Link],
) -> Result<(Vec<Collider>, Vec<Pair>), PhysicsError> {
    let geoms: Vec<(usize, &Geom)> = description
        .bodies
        .iter()
        .enumerate()
        .flat_map(|(body, entry)| entry.geoms.iter().map(move |geom| (body, geom)))
        .collect();
    let first: Vec<usize> = description
        .bodies
        .iter()
        .scan(0, |sum, body| {
            let start = *sum;
            *sum += body.geoms.len();
            Some(start)
        })
        .collect();
    let mut decreed = Vec::new();
    for pair in &description.pairs {
        let mut indices = [0; 2];
        for (index, &[body, geom]) in indices.iter_mut().zip(&pair.geoms) {
            let known = description.bodies.get(body).is_some_and(|body| geom < body.geoms.len());
            if !known {
                return Err(PhysicsError::Value {
                    item: "a contact pair".to_owned(),
                    problem: "names a geom that does not exist".to_owned(),
                });
            }
            *index = first[body] + geom;
        }
        let touch = Touch {
            condim: pair.condim,
            friction: pair.friction,
            softness: pair.softness,
            margin: pair.margin,
        };
        decreed.push((indices, touch));
    }
    let mut pairs = Vec::new();
    if description.options.contacts {
        for &(indices, touch) in &decreed {
            pairs.push((indices, touch));
        }
        for a in 0..geoms.len() {
            for b in a + 1..geoms.len() {
                let known = decreed.iter().any(|(pair, _)| *pair == [a, b] || *pair == [b, a]);
                if !known && may_touch(description, links, geoms[a], geoms[b]) {
                    pairs.push(([a, b], mix(geoms[a].1, geoms[b].1)));
                }
            }
        }
    }
    // Only geoms of some pair need to be placed.
    let mut used: Vec<usize> = pairs.iter().flat_map(|(indices, _)| *indices).collect();
    used.sort_unstable();
    used.dedup();
    let colliders = used.iter().map(|&index| {
        let (body, geom) = geoms[index];
        if let Some(problem) = impossible(&geom.shape) {
            return Err(PhysicsError::Value { item: format!("geom {}", geom.name), problem });
        }
        Ok(Collider {
            body,
            pose: geom.pose,
            shape: geom.shape.clone(),
            hull: Hull::new(geom)?,
            reach: inertia::reach(&geom.shape),
        })
    });
    let colliders = colliders.collect::<Result<Vec<_>, _>>()?;
    let pairs = pairs.into_iter().map(|(indices, touch)| {
        let mut indices = indices.map(|index| used.partition_point(|&other| other < index));
        if rank(&colliders[indices[0]].shape) > rank(&colliders[indices[1]].shape) {
            indices.swap(0, 1);
        }
        Pair { geoms: indices, bodies: indices.map(|index| colliders[index].body), touch }
    });
    let pairs = pairs.collect();
    Ok((colliders, pairs))
}

/// What makes a shape impossible.
fn impossible(shape: &Shape) -> Option<String> {
    let sizes = match shape {
        Shape::Plane | Shape::Mesh(_) => vec![],
        Shape::Sphere { radius } => vec![*radius],
        Shape::Capsule { radius, half_length } | Shape::Cylinder { radius, half_length } => {
            vec![*radius, *half_length]
        }
        Shape::Ellipsoid { radii } => radii.iter().copied().collect(),
        Shape::Box { half } => half.iter().copied().collect(),
    };
    let bad = sizes.iter().find(|size| !(size.is_finite() && **size > 0.0))?;
    Some(format!("has a size of {bad}; sizes must be positive"))
}

fn may_touch(
    description: &Description,
    links: &[Link],
    (first, a): (usize, &Geom),
    (second, b): (usize, &Geom),
) -> bool {
    let welds = [links[first].weld, links[second].weld];
    if welds[0] == welds[1] {
        return false;
    }
    let masks = a.contype & b.conaffinity != 0 || b.contype & a.conaffinity != 0;
    let planes = matches!((&a.shape, &b.shape), (Shape::Plane, Shape::Plane));
    // A body does not touch its parent, unless that is the world.
    let above = welds.map(|weld| links[links[weld].parent].weld);
    let family = welds[0] != 0 && welds[1] != 0 && (above[0] == welds[1] || above[1] == welds[0]);
    let excluded =
        description.excludes.iter().any(|e| *e == [first, second] || *e == [second, first]);
    masks && !planes && !family && !excluded
}

/// The parameters of a contact between two geoms.
fn mix(a: &Geom, b: &Geom) -> Touch {
    let margin = a.margin + b.margin;
    let spread = |f: [f64; 3]| [f[0], f[0], f[1], f[2], f[2]].map(|mu| mu.max(1e-5));
    if a.priority != b.priority {
        let geom = if a.priority > b.priority { a } else { b };
        return Touch {
            condim: geom.condim,
            friction: spread(geom.friction),
            softness: geom.softness,
            margin,
        };
    }
    let share = match (a.mix, b.mix) {
        (x, y) if x >= 1e-15 && y >= 1e-15 => x / (x + y),
        (x, y) if x < 1e-15 && y < 1e-15 => 0.5,
        (x, _) => f64::from(u8::from(x >= 1e-15)),
    };
    let blend = |x: f64, y: f64| share * x + (1.0 - share) * y;
    let (ra, rb) = (a.softness.reference, b.softness.reference);
    let reference = if ra[0] > 0.0 && rb[0] > 0.0 {
        [blend(ra[0], rb[0]), blend(ra[1], rb[1])]
    } else {
        [ra[0].min(rb[0]), ra[1].min(rb[1])]
    };
    let impedance =
        std::array::from_fn(|k| blend(a.softness.impedance[k], b.softness.impedance[k]));
    let friction = std::array::from_fn(|k| a.friction[k].max(b.friction[k]));
    Touch {
        condim: a.condim.max(b.condim),
        friction: spread(friction),
        softness: Softness { reference, impedance },
        margin,
    }
}

impl Model {
    /// Finds the contacts of the placed bodies.
    pub(crate) fn collide(&self, work: &mut Workspace) {
        work.contacts.clear();
        if self.pairs.is_empty() {
            return;
        }
        self.place_geoms(work);
        for (index, pair) in self.pairs.iter().enumerate() {
            let [a, b] = pair.geoms.map(|geom| &self.colliders[geom]);
            let [at, bt] = pair.geoms.map(|geom| &work.geoms[geom]);
            let margin = pair.touch.margin;
            let way = bt.translation.vector - at.translation.vector;
            if let Shape::Plane = a.shape {
                let normal = plane::normal(at);
                if normal.dot(&way) > b.reach + margin {
                    continue;
                }
            } else {
                let limit = a.reach + b.reach + margin;
                if way.norm_squared() > limit * limit {
                    continue;
                }
            }
            let mut found = Found { contacts: &mut work.contacts, pair: index, margin };
            meet(a, at, b, bt, &mut found);
        }
    }

    /// Whether any two geoms overlap in a state by more than `depth` metres.
    pub fn overlaps(&self, state: &crate::State, depth: f64, work: &mut Workspace) -> bool {
        self.locate(state, work);
        self.collide(work);
        work.contacts.iter().any(|contact| contact.distance < -depth)
    }
}

/// The contacts of two geoms, the first of lower rank.
fn meet(a: &Collider, at: &Pose, b: &Collider, bt: &Pose, found: &mut Found) {
    match (&a.shape, &b.shape) {
        (Shape::Plane, other) => plane::meet(at, other, bt, found),
        (Shape::Sphere { radius: r }, Shape::Sphere { radius: s }) => {
            round::spheres(at.translation.vector, *r, bt.translation.vector, *s, found);
        }
        (Shape::Sphere { radius: r }, Shape::Capsule { radius: s, half_length }) => {
            let centre = at.translation.vector;
            let near = round::nearest_on_axis(bt, *half_length, &centre);
            round::spheres(centre, *r, near, *s, found);
        }
        (Shape::Sphere { radius }, Shape::Box { half }) => {
            round::sphere_box(at.translation.vector, *radius, bt, half, found);
        }
        (Shape::Sphere { radius: r }, Shape::Cylinder { radius: s, half_length }) => {
            round::sphere_cylinder(at.translation.vector, *r, bt, *s, *half_length, found);
        }
        (
            Shape::Capsule { radius: r, half_length: h },
            Shape::Capsule { radius: s, half_length: k },
        ) => round::capsules((at, *r, *h), (bt, *s, *k), found),
        (Shape::Capsule { radius, half_length }, Shape::Box { half }) => {
            round::capsule_box((at, *radius, *half_length), bt, half, found);
        }
        (Shape::Box { half: h }, Shape::Box { half: k }) => boxes::meet((at, h), (bt, k), found),
        _ => convex::meet((&a.hull, at), (&b.hull, bt), found),
    }
}
