//! The data plane outlives the control plane.

use super::fixture::{Flow, PATH, eventually};

#[test]
fn known_keys_work_while_the_control_plane_is_down_and_new_ones_when_it_is_back() {
    let mut flow = Flow::start();
    let key = flow.known_key("before");
    flow.stack.control_plane.kill();
    for _ in 0..12 {
        assert_eq!(flow.get(&key).status, 200);
        assert_eq!(flow.proxy().get(PATH, &[]).unwrap().status, 401);
    }
    eventually("the fault is counted", || flow.stat("sync_faults_unreachable") > 0);
    flow.stack.control_plane.start().unwrap();
    let later = flow.known_key("after");
    assert_eq!(flow.get(&key).status, 200);
    flow.api().revoke_key(&key.id).unwrap();
    eventually("a revoke is known again", || (0..12).all(|_| flow.get(&key).status == 401));
    assert_eq!(flow.get(&later).status, 200);
}

#[test]
fn a_control_plane_that_hangs_does_not_hold_up_requests() {
    let flow = Flow::start();
    let key = flow.known_key("before");
    flow.stack.control_plane.freeze().unwrap();
    for _ in 0..12 {
        assert_eq!(flow.get(&key).status, 200);
    }
    flow.stack.control_plane.thaw().unwrap();
    flow.known_key("after");
}

#[test]
fn a_lost_history_is_loaded_anew_in_its_new_epoch() {
    let mut flow = Flow::start();
    let lost = flow.known_key("lost");
    flow.stack.control_plane.stop().unwrap();
    flow.stack.control_plane.start_over().unwrap();
    eventually("the lost key is refused by both workers", || (0..12).all(|_| flow.get(&lost).status == 401));
    flow.project = super::fixture::project(&flow.api());
    flow.known_key("after the loss");
}
