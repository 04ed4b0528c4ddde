//! `<worldbody>`: the tree of bodies and all that is fixed to them.

use super::asset::Assets;
use super::joint::{self, Built as BuiltJoint};
use super::sight::{self, Eye, Lamp};
use super::{Context, geom, replicate};
use crate::SimError;
use crate::scene_file::rotation;
use crate::scene_file::xml::{Attributes, Element, Place, advice};
use housecat_core::Shape;
use housecat_physics::{Body, Inertia, JointKind, Mat3, Pose, Site, Vec3};

/// A body, with what the description of the physics does not hold.
pub(super) struct Part {
    pub body: Body,
    pub place: Place,
    pub shapes: Vec<Shape>,
    /// Groups of the geoms.
    pub groups: Vec<i32>,
    /// Clamps on the sums of the forces of the joints' actuators.
    pub clamps: Vec<(Place, Option<[f64; 2]>)>,
    pub mocap: bool,
}

/// The tree as it is read.
pub(super) struct Tree<'a> {
    context: &'a Context,
    assets: &'a Assets,
    pub parts: Vec<Part>,
    pub sites: Vec<Site>,
    pub eyes: Vec<Eye>,
    pub lamps: Vec<Lamp>,
    /// How many more elements may be made by replication.
    budget: usize,
}

/// Most elements that replication may make.
const MOST: usize = 100_000;

impl<'a> Tree<'a> {
    /// Reads all `<worldbody>` sections.
    pub fn read(
        root: &Element,
        context: &'a Context,
        assets: &'a Assets,
    ) -> Result<Self, SimError> {
        let (parts, sites, eyes, lamps) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut tree = Self { context, assets, parts, sites, eyes, lamps, budget: MOST };
        context.names.claim("body", "world");
        let world = body("world".to_owned(), 0, Pose::identity(), 0.0);
        tree.push(world, &root.place, false);
        for section in root.children.iter().filter(|child| &*child.tag == "worldbody") {
            section.read(&context.notices, &["name"], |a| {
                tree.contents(a.children(), 0, &Pose::identity(), None)
            })?;
        }
        Ok(tree)
    }

    fn push(&mut self, body: Body, place: &Place, mocap: bool) -> usize {
        let (shapes, groups, clamps) = (Vec::new(), Vec::new(), Vec::new());
        self.parts.push(Part { body, place: place.clone(), shapes, groups, clamps, mocap });
        self.parts.len() - 1
    }

    /// Reads what a body or a frame in it holds; `frame` is the pose in the body.
    fn contents(
        &mut self,
        children: &[Element],
        body: usize,
        frame: &Pose,
        class: Option<&str>,
    ) -> Result<(), SimError> {
        let context = self.context;
        for child in children {
            match &*child.tag {
                "body" => self.body(child, body, frame, class)?,
                "frame" => {
                    let (pose, class, children) = child.read(&context.notices, &["name"], |a| {
                        let pose = frame * context.compiler.pose(a)?;
                        Ok((pose, child_class(a, child, class, context)?, a.children()))
                    })?;
                    self.contents(children, body, &pose, class)?;
                }
                "replicate" => {
                    for (pose, copies) in replicate::copies(child, &mut self.budget, context)? {
                        self.contents(&copies, body, &(frame * pose), class)?;
                    }
                }
                "geom" => {
                    let built = geom::geom(child, class, body, frame, context, self.assets)?;
                    let part = &mut self.parts[body];
                    part.body.geoms.push(built.geom);
                    part.shapes.push(built.shape);
                    part.groups.push(built.group);
                }
                "site" => self.site(child, body, frame, class)?,
                "camera" => self.eyes.push(sight::camera(child, class, body, frame, context)?),
                "light" => self.lamps.extend(sight::light(child, class, body, frame, context)?),
                "joint" | "freejoint" | "inertial" if body == 0 => {
                    return Err(child.place.wrong(format!(
                        "<{}> in <worldbody>: the world does not move; put it into a <body>",
                        child.tag
                    )));
                }
                "joint" => self.joint(joint::joint(child, class, frame, context)?, child, body)?,
                "freejoint" => self.joint(joint::free(child, context)?, child, body)?,
                "inertial" => {
                    let inertia = inertial(child, frame, context)?;
                    if self.parts[body].body.inertia.replace(inertia).is_some() {
                        return Err(child.place.wrong("a body has two <inertial>; remove one"));
                    }
                }
                tag => return Err(child.refuse("body", advice(tag))),
            }
        }
        Ok(())
    }

    fn body(
        &mut self,
        element: &Element,
        parent: usize,
        frame: &Pose,
        class: Option<&str>,
    ) -> Result<(), SimError> {
        let context = self.context;
        let harmless = ["user", "sleep", "simple", "fuse"];
        let (body, mocap, class, children) = element.read(&context.notices, &harmless, |a| {
            let name = context.names.add(a, "body")?;
            let pose = frame * context.compiler.pose(a)?;
            let weightless = a.number("gravcomp")?.unwrap_or(0.0);
            let mocap = a.flag("mocap")?.unwrap_or(false);
            let class = child_class(a, element, class, context)?;
            Ok((body(name, parent, pose, weightless), mocap, class, a.children()))
        })?;
        if mocap {
            let name = &body.name;
            context.notices.say(format!("the mocap body `{name}` stays where it is at the start"));
        }
        let index = self.push(body, &element.place, mocap);
        self.contents(children, index, &Pose::identity(), class)
    }

    fn joint(&mut self, built: BuiltJoint, element: &Element, body: usize) -> Result<(), SimError> {
        let part = &mut self.parts[body];
        let free = |kind: JointKind| kind == JointKind::Free;
        if free(built.joint.kind) && part.body.parent != 0 {
            let problem = "a free joint in a body that is not directly in the world";
            return Err(element.place.wrong(format!("{problem}; move the body to <worldbody>")));
        }
        let others = &part.body.joints;
        if others.iter().any(|other| free(other.kind) || free(built.joint.kind)) {
            let problem = "a body with a free joint has no other joints; remove one";
            return Err(element.place.wrong(problem));
        }
        if part.mocap {
            return Err(element.place.wrong("a mocap body has no joints; remove `mocap` or them"));
        }
        part.body.joints.push(built.joint);
        part.clamps.push((element.place.clone(), built.force));
        Ok(())
    }

    fn site(
        &mut self,
        element: &Element,
        body: usize,
        frame: &Pose,
        class: Option<&str>,
    ) -> Result<(), SimError> {
        let context = self.context;
        let harmless = ["type", "size", "rgba", "material", "mesh", "group", "user"];
        let site = context.read(element, class, &["site"], &harmless, |a| {
            let name = context.names.add(a, "site")?;
            let (pose, _) = context.compiler.pose_and_length(a)?;
            Ok(Site { name, body, pose: frame * pose })
        })?;
        self.sites.push(site);
        Ok(())
    }
}

fn body(name: String, parent: usize, pose: Pose, gravity_compensation: f64) -> Body {
    let (joints, geoms) = (Vec::new(), Vec::new());
    Body { name, parent, pose, joints, geoms, inertia: None, gravity_compensation }
}

/// The class for what stands inside an element.
fn child_class<'a>(
    a: &mut Attributes<'a>,
    element: &Element,
    inherited: Option<&'a str>,
    context: &Context,
) -> Result<Option<&'a str>, SimError> {
    let own = a.word("childclass");
    own.map(|name| context.classes.check(element, name)).transpose()?;
    Ok(own.or(inherited))
}

fn inertial(element: &Element, frame: &Pose, context: &Context) -> Result<Inertia, SimError> {
    element.read(&context.notices, &[], |a| {
        let place = a.numbers("pos")?;
        let place = place.ok_or_else(|| {
            a.refuse("an absent `pos`", "give the centre of mass in the body's frame")
        })?;
        let turn = context.compiler.turn(a)?;
        let mass = a.positive("mass")?.ok_or_else(|| a.wrong("needs a `mass`"))?;
        let full = a.numbers::<6>("fullinertia")?;
        let tensor = match (a.numbers::<3>("diaginertia")?, full) {
            (Some(_), Some(_)) => {
                return Err(a.wrong("has both `diaginertia` and `fullinertia`; keep one"));
            }
            (Some(moments), None) => Mat3::from_diagonal(&Vec3::from(moments)),
            (None, Some([xx, yy, zz, xy, xz, yz])) => Mat3::new(xx, xy, xz, xy, yy, yz, xz, yz, zz),
            (None, None) => return Err(a.wrong("needs `diaginertia` or `fullinertia`")),
        };
        let pose = frame * rotation::pose(Vec3::from(place), turn);
        Ok(Inertia { mass, pose, tensor })
    })
}
