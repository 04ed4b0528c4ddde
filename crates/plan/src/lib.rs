//! Planners that search action sequences: solvers, objectives and the one optimisation loop
