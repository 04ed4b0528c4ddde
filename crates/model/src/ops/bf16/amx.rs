//! Jobs on the tile registers of Intel's AMX: 16 rows by 16 columns of sums, 32 inner values an instruction
//! (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter "Programming with Intel AMX").
//!
//! Registers 0 to 3 hold sums, 4 and 5 rows, 6 and 7 columns. The compiler knows these registers by name only, and
//! never uses them.

use super::PANEL;
use super::tiles::{Job, SIDE};
use std::arch::asm;
use std::arch::x86_64::{__cpuid_count, __get_cpuid_max};
use std::sync::OnceLock;

/// Whether this processor has tiles of bfloat16 and the system lets this process use them, which is asked for once.
pub(super) fn available() -> bool {
    static ALLOWED: OnceLock<bool> = OnceLock::new();
    *ALLOWED.get_or_init(|| present() && allowed())
}

fn present() -> bool {
    const BF16: u32 = 1 << 22;
    const TILE: u32 = 1 << 24;
    let features = || __cpuid_count(7, 0).edx;
    __get_cpuid_max(0).0 >= 7 && features() & (BF16 | TILE) == BF16 | TILE
}

/// Asks the kernel, which keeps room for tiles only for processes that do (Documentation/arch/x86/xstate.rst).
#[cfg(target_os = "linux")]
fn allowed() -> bool {
    const ARCH_REQ_XCOMP_PERM: i64 = 0x1023;
    const TILE_DATA: i64 = 18;
    // SAFETY: the call changes what this process may do, and no memory.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn allowed() -> bool {
    false
}

/// Tile registers of one size, until this is dropped.
pub(super) struct Tiles(());

impl Tiles {
    /// Of so many rows and pairs, at most 16 each.
    ///
    /// # Safety
    /// Tiles must be available, and no others set up in this thread.
    pub(super) unsafe fn new(rows: usize, pairs: usize) -> Self {
        #[repr(C, align(64))]
        struct Sizes {
            palette: u8,
            start: u8,
            reserved: [u8; 14],
            bytes: [u16; SIDE],
            rows: [u8; SIDE],
        }
        let (rows, pairs) = (rows.min(SIDE) as u8, pairs.min(SIDE) as u8);
        let (line, row) = (4 * PANEL as u16, 4 * u16::from(pairs));
        let mut sizes =
            Sizes { palette: 1, start: 0, reserved: [0; 14], bytes: [0; SIDE], rows: [0; SIDE] };
        sizes.bytes[..8].copy_from_slice(&[line, line, line, line, row, row, line, line]);
        sizes.rows[..8].copy_from_slice(&[rows, rows, rows, rows, rows, rows, pairs, pairs]);
        // SAFETY: the instruction reads 64 bytes, which are sizes that tiles can have.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &sizes, options(nostack, readonly)) };
        Self(())
    }

    /// # Safety
    /// The tiles must have the job's size, and everything that it speaks of must be there.
    pub(super) unsafe fn run(&self, job: &Job) {
        // SAFETY: the caller's.
        unsafe {
            match (job.tall, job.wide) {
                (1, 1) => blocks::<1, 1>(job),
                (1, _) => blocks::<1, 2>(job),
                (_, 1) => blocks::<2, 1>(job),
                _ => blocks::<2, 2>(job),
            }
        }
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: the tiles were set up.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}

/// # Safety
/// As [`Tiles::run`].
unsafe fn blocks<const T: usize, const W: usize>(job: &Job) {
    // SAFETY: the caller's.
    unsafe {
        clear();
        if !job.start.is_null() {
            let row = 4 * job.start_row;
            let other = job.start.wrapping_add(job.start_tile);
            load::<0>(job.start, row);
            if W == 2 {
                load::<1>(job.start.add(PANEL), row);
            }
            if T == 2 {
                load::<2>(other, row);
            }
            if T == 2 && W == 2 {
                load::<3>(other.add(PANEL), row);
            }
        }
        for outer in 0..job.outer.count {
            for inner in 0..job.inner.count {
                let a = job.a.add(outer * job.outer.a + inner * job.inner.a);
                let b = job.b.add(outer * job.outer.b + inner * job.inner.b);
                step::<T, W>(job, a, b);
            }
        }
        let row = 4 * job.out_row;
        let other = job.out.wrapping_add(job.out_tile);
        store::<0>(job.out, row);
        if W == 2 {
            store::<1>(job.out.add(PANEL), row);
        }
        if T == 2 {
            store::<2>(other, row);
        }
        if T == 2 && W == 2 {
            store::<3>(other.add(PANEL), row);
        }
    }
}

/// Sums of nothing.
///
/// # Safety
/// Tiles must be set up.
#[inline(always)]
unsafe fn clear() {
    // SAFETY: the caller's.
    unsafe {
        asm!(
            "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            options(nostack, nomem)
        );
    }
}

/// # Safety
/// Tiles must be set up, and rows of them lie from here on, so many bytes apart.
#[inline(always)]
unsafe fn load<const TILE: usize>(from: *const f32, row: usize) {
    // SAFETY: the caller's.
    unsafe {
        match TILE {
            0 => {
                asm!("tileloadd tmm0, [{} + {}]", in(reg) from, in(reg) row, out("tmm0") _, options(nostack, readonly))
            }
            1 => {
                asm!("tileloadd tmm1, [{} + {}]", in(reg) from, in(reg) row, out("tmm1") _, options(nostack, readonly))
            }
            2 => {
                asm!("tileloadd tmm2, [{} + {}]", in(reg) from, in(reg) row, out("tmm2") _, options(nostack, readonly))
            }
            _ => {
                asm!("tileloadd tmm3, [{} + {}]", in(reg) from, in(reg) row, out("tmm3") _, options(nostack, readonly))
            }
        }
    }
}

/// # Safety
/// Tiles must be set up, and there must be room for rows so many bytes apart.
#[inline(always)]
unsafe fn store<const TILE: usize>(to: *mut f32, row: usize) {
    // SAFETY: the caller's.
    unsafe {
        match TILE {
            0 => asm!("tilestored [{} + {}], tmm0", in(reg) to, in(reg) row, options(nostack)),
            1 => asm!("tilestored [{} + {}], tmm1", in(reg) to, in(reg) row, options(nostack)),
            2 => asm!("tilestored [{} + {}], tmm2", in(reg) to, in(reg) row, options(nostack)),
            _ => asm!("tilestored [{} + {}], tmm3", in(reg) to, in(reg) row, options(nostack)),
        }
    }
}

/// Adds one step's products.
///
/// # Safety
/// As [`Tiles::run`].
#[inline(always)]
unsafe fn step<const T: usize, const W: usize>(job: &Job, a: *const u8, b: *const u32) {
    let (a_row, b_row) = (job.a_row, 4 * job.b_row);
    let (a2, b2) = (a.wrapping_add(job.a_tile), b.wrapping_add(job.b_panel));
    // SAFETY: the caller's.
    unsafe {
        match (T, W) {
            (1, 1) => asm!(
                "tileloadd tmm4, [{a} + {a_row}]", "tileloadd tmm6, [{b} + {b_row}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                a = in(reg) a, a_row = in(reg) a_row, b = in(reg) b, b_row = in(reg) b_row,
                out("tmm0") _, out("tmm4") _, out("tmm6") _, options(nostack, readonly)
            ),
            (1, _) => asm!(
                "tileloadd tmm4, [{a} + {a_row}]", "tileloadd tmm6, [{b} + {b_row}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{b2} + {b_row}]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                a = in(reg) a, a_row = in(reg) a_row, b = in(reg) b, b_row = in(reg) b_row, b2 = in(reg) b2,
                out("tmm0") _, out("tmm1") _, out("tmm4") _, out("tmm6") _, out("tmm7") _,
                options(nostack, readonly)
            ),
            (_, 1) => asm!(
                "tileloadd tmm6, [{b} + {b_row}]", "tileloadd tmm4, [{a} + {a_row}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm5, [{a2} + {a_row}]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                a = in(reg) a, a_row = in(reg) a_row, b = in(reg) b, b_row = in(reg) b_row, a2 = in(reg) a2,
                out("tmm0") _, out("tmm2") _, out("tmm4") _, out("tmm5") _, out("tmm6") _,
                options(nostack, readonly)
            ),
            _ => asm!(
                "tileloadd tmm4, [{a} + {a_row}]", "tileloadd tmm6, [{b} + {b_row}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{b2} + {b_row}]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{a2} + {a_row}]",
                "tdpbf16ps tmm2, tmm5, tmm6", "tdpbf16ps tmm3, tmm5, tmm7",
                a = in(reg) a, a_row = in(reg) a_row, b = in(reg) b, b_row = in(reg) b_row,
                a2 = in(reg) a2, b2 = in(reg) b2,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack, readonly)
            ),
        }
    }
}
