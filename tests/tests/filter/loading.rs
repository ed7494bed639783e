//! A large table in one VM: how its memory grows while it comes, and how it goes.

use keyplane_tests::host::Plugin;

use super::{
    bench::{Bench, CONFIG},
    control_plane::{ControlPlane, page_answer},
};

/// As many rows as the control plane puts into a page.
const ROWS: usize = 3_000;
/// What V8 must not be made to do for each page: see `filter/src/feed.rs`.
const LEAST_GROWTH: usize = 1 << 20;

fn plane(keys: u64) -> ControlPlane {
    let mut plane = ControlPlane::new(1);
    plane.page_size = ROWS;
    (0..keys).for_each(|number| _ = plane.issue(number));
    plane
}

#[test]
fn memory_grows_in_large_steps_while_a_table_is_loaded() {
    let plane = plane(30_000);
    let mut bench = Bench::new();
    let (mut after, mut growths) = (0, Vec::new());
    while after < plane.head {
        let page = plane.page(after);
        after = (after + ROWS as u64).min(plane.head);
        let before = bench.vm.memory_bytes();
        bench.answer_poll(page_answer(&page));
        growths.push(bench.vm.memory_bytes() - before);
    }
    assert!(bench.allows(29_999));
    assert!(growths.iter().all(|growth| *growth == 0 || *growth >= LEAST_GROWTH), "{growths:?}");
    let steps = growths.iter().filter(|growth| **growth > 0).count();
    assert!(steps <= 5, "30,000 keys are less than 3 MiB, and their pages less than one: {growths:?}");
}

#[test]
fn a_table_that_no_configuration_needs_any_more_is_given_back_in_small_steps() {
    let mut bench = Bench::new();
    bench.catch_up(&plane(30_000));
    let mut other = ControlPlane::new(2);
    other.issue(1);
    bench.host.add_cluster("other");
    let first = bench.root;
    bench.root = bench.vm.create_root(Plugin::new(CONFIG.replace("keyplane", "other"))).unwrap();
    assert!(bench.vm.configure(bench.root).unwrap());
    bench.vm.delete_root(first).unwrap();
    let (at_once, mut ticks) = (bench.vm.fuel_used(), Vec::new());
    for _ in 0..4 {
        bench.vm.tick(bench.root).unwrap();
        ticks.push(bench.vm.fuel_used());
    }
    bench.catch_up(&other);
    assert!(bench.allows(1) && !bench.allows(2), "the other's table serves");
    // Some 350 pieces of memory: dropped together they are most of what a callback does.
    assert!(at_once < 20_000, "{at_once} instructions in the callback that ends it");
    assert!(ticks[0] > 30_000 && ticks[0] > 3 * ticks[3], "{ticks:?}: it goes in ticks, and then it is gone");
}
