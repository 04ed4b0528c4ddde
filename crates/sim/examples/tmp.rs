//! x
use housecat_core::*;
use housecat_sim::*;
use std::path::Path;
use std::time::Instant;
fn main() {
    for (name, folder) in find_sims(Path::new("sims")).unwrap() {
        let sim = match Sim::load(&folder) {
            Ok(s) => s,
            Err(e) => {
                println!("{e}");
                continue;
            }
        };
        println!("== {name}: {:?}", sim.notices());
        let mut env = sim.env(&ViewOptions::default()).unwrap();
        let a = env.spaces().action.dim();
        let mut rng = Seed::new(0).rng();
        let mut best = f64::INFINITY;
        let mut best_adv = f64::INFINITY;
        for e in 0..40 {
            env.reset(Seed::new(e), &ResetOptions::default()).unwrap();
            let acts: Vec<Vec<f32>> =
                (0..250).map(|_| (0..a).map(|_| rng.uniform(-1.0, 1.0)).collect()).collect();
            let t = Instant::now();
            for x in &acts {
                env.advance(x).unwrap();
            }
            best_adv = best_adv.min(t.elapsed().as_secs_f64() / 250.0);
        }
        for _ in 0..40 {
            let t = Instant::now();
            let s = env.snapshot();
            for _ in 0..99 {
                env.restore(&s).unwrap();
            }
            best = best.min(t.elapsed().as_secs_f64() / 100.0);
        }
        println!(
            "{:.2} us/control step, {:.2} us/restore, state {:?} {:?}",
            best_adv * 1e6,
            best * 1e6,
            env.state_names(),
            env.state()
        );
        for size in [64, 256] {
            let mut view = sim.default_view();
            view.images[0].width = size;
            view.images[0].height = size;
            let mut env = sim.env(&view).unwrap();
            for e in 0..3 {
                let o = env.reset(Seed::new(e), &ResetOptions::default()).unwrap();
                let im = &o.images[0];
                let mut b = format!("P6 {size} {size} 255\n").into_bytes();
                b.extend(&im.pixels);
                std::fs::write(format!("/tmp/frame_{name}_{size}_{e}.ppm"), b).unwrap();
            }
            if size == 64 {
                let mut best = f64::INFINITY;
                for e in 0..20 {
                    env.reset(Seed::new(e), &ResetOptions::default()).unwrap();
                    let t = Instant::now();
                    for _ in 0..250 {
                        env.step(&vec![0.7; a]).unwrap();
                    }
                    best = best.min(t.elapsed().as_secs_f64() / 250.0);
                }
                println!("{:.2} us/control step with 64x64 frame", best * 1e6);
            }
        }
        if let Some(mut s) = sim.scripted() {
            let mut env = sim.env(&ViewOptions::default()).unwrap();
            let mut ok = 0;
            let n = 1000;
            let mut crossings = 0;
            let mut d = vec![];
            for e in 0..n {
                env.reset(Seed::new(e), &ResetOptions::default()).unwrap();
                s.reset();
                let mut states = vec![env.state()];
                for _ in 0..100 {
                    let act = s.act(&env.state(), &mut rng);
                    env.advance(&act).unwrap();
                    states.push(env.state());
                }
                let st = rng.index(75);
                if env.admits(&states[st], &states[st + 25]) {
                    ok += 1;
                    d.push(env.displacement(&states[st], &states[st + 25])[0].value);
                }
                crossings +=
                    states.windows(2).filter(|w| (w[0].0[0] > 0.0) != (w[1].0[0] > 0.0)).count();
                if e < 1 {
                    for s in states.iter().step_by(4) {
                        print!("({:.2},{:.2}) ", s.0[0], s.0[1]);
                    }
                    println!();
                }
            }
            d.sort_by(f64::total_cmp);
            println!(
                "scripted: {ok}/{n} admitted, {crossings} crossings in {n} episodes, median distance {:?}",
                d.get(d.len() / 2)
            );
        }
    }
}
