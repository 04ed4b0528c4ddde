//! `<compiler>`: how the rest of the file is to be read.

use crate::SimError;
use crate::scene_file::notices::Notices;
use crate::scene_file::rotation::{self, Turn};
use crate::scene_file::xml::{Attributes, Element, path_of};
use housecat_physics::{Pose, Vec3};
use std::path::{Path, PathBuf};

/// How bodies come by their inertia.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum FromGeoms {
    Always,
    Never,
    Where,
}

/// Settings for the whole file.
pub(super) struct Compiler {
    degrees: bool,
    sequence: [char; 3],
    automatic_limits: bool,
    strip_paths: bool,
    meshes: PathBuf,
    textures: PathBuf,
    pub from_geoms: FromGeoms,
    /// Least and greatest group of the geoms that add to a body's inertia.
    pub inertia_groups: [f64; 2],
    pub total_mass: Option<f64>,
    pub least_mass: f64,
    pub least_inertia: f64,
    pub balance_inertia: bool,
}

const HARMLESS: [&str; 9] = [
    "discardvisual",
    "fusestatic",
    "usethread",
    "saveinertial",
    "savecompiled",
    "savecanonical",
    "exactmeshinertia",
    "convexhull",
    "conflict",
];

impl Compiler {
    /// Reads all `<compiler>` elements of a file in `folder`.
    pub fn read(root: &Element, folder: &Path, notices: &Notices) -> Result<Self, SimError> {
        let mut compiler = Self {
            degrees: true,
            sequence: ['x', 'y', 'z'],
            automatic_limits: true,
            strip_paths: false,
            meshes: folder.to_owned(),
            textures: folder.to_owned(),
            from_geoms: FromGeoms::Where,
            inertia_groups: [f64::NEG_INFINITY, f64::INFINITY],
            total_mass: None,
            least_mass: 0.0,
            least_inertia: 0.0,
            balance_inertia: false,
        };
        for element in root.children.iter().filter(|child| &*child.tag == "compiler") {
            element.read(notices, &HARMLESS, |a| compiler.take(a, folder, notices))?;
        }
        Ok(compiler)
    }

    fn take(
        &mut self,
        a: &mut Attributes,
        folder: &Path,
        notices: &Notices,
    ) -> Result<(), SimError> {
        if let Some(degrees) = a.keyword("angle", &[("degree", true), ("radian", false)])? {
            self.degrees = degrees;
        }
        if let Some(sequence) = a.word("eulerseq") {
            let letters: Vec<char> = sequence.chars().collect();
            self.sequence = <[char; 3]>::try_from(letters)
                .ok()
                .filter(|letters| letters.iter().all(|letter| "xyzXYZ".contains(*letter)))
                .ok_or_else(|| a.wrong("needs three of the letters xyzXYZ in `eulerseq`"))?;
        }
        if let Some(automatic) = a.flag("autolimits")? {
            self.automatic_limits = automatic;
        }
        if let Some(strip) = a.flag("strippath")? {
            self.strip_paths = strip;
        }
        if let Some(both) = a.word("assetdir") {
            self.meshes = folder.join(path_of(both));
            self.textures = self.meshes.clone();
        }
        if let Some(meshes) = a.word("meshdir") {
            self.meshes = folder.join(path_of(meshes));
        }
        if let Some(textures) = a.word("texturedir") {
            self.textures = folder.join(path_of(textures));
        }
        let ways =
            [("true", FromGeoms::Always), ("false", FromGeoms::Never), ("auto", FromGeoms::Where)];
        if let Some(way) = a.keyword("inertiafromgeom", &ways)? {
            self.from_geoms = way;
        }
        if let Some(groups) = a.numbers("inertiagrouprange")? {
            self.inertia_groups = groups;
        }
        if let Some(mass) = a.number("settotalmass")? {
            self.total_mass = Some(mass).filter(|&mass| mass > 0.0);
        }
        self.least_mass = a.positive("boundmass")?.unwrap_or(self.least_mass);
        self.least_inertia = a.positive("boundinertia")?.unwrap_or(self.least_inertia);
        self.balance_inertia = a.flag("balanceinertia")?.unwrap_or(self.balance_inertia);
        a.keyword("coordinate", &[("local", ())])?;
        a.keyword("fitaabb", &[("false", ())])?;
        a.keyword("alignfree", &[("false", ())])?;
        for child in a.children() {
            match &*child.tag {
                "lengthrange" => notices.element("lengthrange"),
                _ => return Err(child.refuse("compiler", "see the MJCF reference")),
            }
        }
        Ok(())
    }

    /// An angle of the file in radians.
    pub fn angle(&self, value: f64) -> f64 {
        if self.degrees { value.to_radians() } else { value }
    }

    /// A range, if it holds: because an attribute says so, or because it is given at all.
    pub fn limited(
        &self,
        a: &mut Attributes,
        limited: &str,
        range: &str,
    ) -> Result<Option<[f64; 2]>, SimError> {
        let (said, given) = (a.tristate(limited)?, a.numbers(range)?);
        self.limit(said, given, range).map_err(|problem| a.wrong(problem))
    }

    /// The same for what has been said and given.
    pub fn limit(
        &self,
        said: Option<bool>,
        given: Option<[f64; 2]>,
        range: &str,
    ) -> Result<Option<[f64; 2]>, String> {
        match (said, given) {
            (Some(false), _) | (None, None | Some([0.0, 0.0])) => Ok(None),
            (None, Some(_)) if !self.automatic_limits => {
                Err(format!("has a `{range}`, but autolimits is off; say whether it is limited"))
            }
            (_, Some([low, high])) if low < high => Ok(Some([low, high])),
            (_, Some([low, high])) => {
                Err(format!("has the empty `{range}` {low} {high}; the lower end comes first"))
            }
            (Some(true), None) => Err(format!("is limited, but has no `{range}`")),
        }
    }

    /// The orientation of an element.
    pub fn turn(&self, a: &mut Attributes) -> Result<Turn, SimError> {
        let names = ["quat", "axisangle", "euler", "xyaxes", "zaxis"];
        let Some(found) = a.one_of(&names)? else { return Ok(Turn::identity()) };
        let turn = match &*found.name {
            "quat" => a.numbers("quat")?.and_then(rotation::from_wxyz),
            "axisangle" => a.numbers("axisangle")?.and_then(|[x, y, z, angle]| {
                rotation::about(Vec3::new(x, y, z), self.angle(angle))
            }),
            "euler" => a.numbers::<3>("euler")?.map(|angles| {
                rotation::from_euler(self.sequence, angles.map(|angle| self.angle(angle)))
            }),
            "xyaxes" => a.numbers::<6>("xyaxes")?.and_then(|v| {
                rotation::from_xy(Vec3::new(v[0], v[1], v[2]), Vec3::new(v[3], v[4], v[5]))
            }),
            _ => a.numbers("zaxis")?.and_then(|v| rotation::from_z(Vec3::from(v))),
        };
        turn.ok_or_else(|| {
            a.wrong(format!("has the degenerate `{}` \"{}\"", found.name, found.value))
        })
    }

    /// The pose of an element.
    pub fn pose(&self, a: &mut Attributes) -> Result<Pose, SimError> {
        let position = Vec3::from(a.numbers("pos")?.unwrap_or_default());
        Ok(rotation::pose(position, self.turn(a)?))
    }

    /// The pose of an element, and half its length if it gives its ends with `fromto`.
    pub fn pose_and_length(&self, a: &mut Attributes) -> Result<(Pose, Option<f64>), SimError> {
        let Some([x0, y0, z0, x1, y1, z1]) = a.numbers("fromto")? else {
            return Ok((self.pose(a)?, None));
        };
        let (from, to) = (Vec3::new(x0, y0, z0), Vec3::new(x1, y1, z1));
        // The ends decide; an orientation beside them has no say.
        if self.pose(a)?.translation.vector != Vec3::zeros() {
            return Err(a.wrong("has both `pos` and `fromto`; keep one"));
        }
        let turn =
            rotation::from_z(from - to).ok_or_else(|| a.wrong("has a `fromto` of length 0"))?;
        Ok((rotation::pose((from + to) * 0.5, turn), Some((from - to).norm() * 0.5)))
    }

    /// Where a mesh file lies.
    pub fn mesh_path(&self, named: &str) -> PathBuf {
        self.path(&self.meshes, named)
    }

    /// Where a texture file lies.
    pub fn texture_path(&self, named: &str) -> PathBuf {
        self.path(&self.textures, named)
    }

    fn path(&self, folder: &Path, named: &str) -> PathBuf {
        let named = path_of(named);
        match named.file_name() {
            Some(bare) if self.strip_paths => folder.join(bare),
            _ => folder.join(named),
        }
    }
}
