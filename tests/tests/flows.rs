//! Flows: the real control plane on its database, the real filter in a real Envoy with two workers, a real upstream.
//! One binary; each flow starts its own stack on free ports.

mod flows {
    mod connection;
    mod fixture;

    mod answers;
    mod bench;
    mod cache;
    mod changes;
    mod command_line;
    mod containers;
    mod crash;
    mod credentials;
    mod dashboard;
    mod debug;
    mod edge;
    mod examples;
    mod guides;
    mod health;
    mod hostile_requests;
    mod http2;
    mod identity;
    mod jwt;
    mod last_used;
    mod lifecycle;
    mod manifests;
    mod metrics;
    mod module;
    mod outage;
    mod package;
    mod products;
    mod readme;
    mod receipts;
    mod restrictions;
    mod revocation;
    mod rules;
    mod schemathesis;
    mod sdk;
    mod sdk_automation;
    mod sdk_examples;
    mod sdk_service;
    mod staleness;
    mod start;
    mod streams;
    mod tls;
    mod unknown_keys;
    mod used;
}
