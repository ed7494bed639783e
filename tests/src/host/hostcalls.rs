//! The hostcalls of module `env`. Each is small and says where it follows Envoy in what one would not expect.
//!
//! A hostcall first asks for an armed fault, then works on guest memory; a bad pointer answers `InvalidMemoryAccess`.

use wasmtime::{Caller, Linker};

use super::{
    context::{Callout, LocalResponse},
    headers::{Header, HeaderMap},
    pairs,
    status::{LogLevel, MapType, Status},
    vm::{Deferred, VmState},
    world::{LogLine, Metric},
};

pub(crate) type Guest<'a> = Caller<'a, VmState>;

/// Every import that this host offers. Envoy offers more; a filter that needs more must be noticed.
pub(crate) const KNOWN: &[(&str, &str)] = &[
    ("env", "proxy_add_header_map_value"),
    ("env", "proxy_continue_stream"),
    ("env", "proxy_define_metric"),
    ("env", "proxy_dequeue_shared_queue"),
    ("env", "proxy_enqueue_shared_queue"),
    ("env", "proxy_get_buffer_bytes"),
    ("env", "proxy_get_current_time_nanoseconds"),
    ("env", "proxy_get_header_map_pairs"),
    ("env", "proxy_get_header_map_value"),
    ("env", "proxy_get_metric"),
    ("env", "proxy_get_property"),
    ("env", "proxy_get_shared_data"),
    ("env", "proxy_http_call"),
    ("env", "proxy_increment_metric"),
    ("env", "proxy_log"),
    ("env", "proxy_record_metric"),
    ("env", "proxy_register_shared_queue"),
    ("env", "proxy_remove_header_map_value"),
    ("env", "proxy_replace_header_map_value"),
    ("env", "proxy_resolve_shared_queue"),
    ("env", "proxy_send_local_response"),
    ("env", "proxy_set_effective_context"),
    ("env", "proxy_set_property"),
    ("env", "proxy_set_shared_data"),
    ("env", "proxy_set_tick_period_milliseconds"),
    ("wasi_snapshot_preview1", "environ_get"),
    ("wasi_snapshot_preview1", "environ_sizes_get"),
    ("wasi_snapshot_preview1", "random_get"),
];

/// Why a hostcall did not do its work: a status for the guest, or a trap.
pub(crate) enum Stop {
    Status(Status),
    Trap(wasmtime::Error),
}

impl From<Status> for Stop {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

type Done = Result<(), Stop>;

/// Runs a hostcall: an armed fault first, then its work.
fn run(mut guest: Guest<'_>, name: &'static str, work: impl FnOnce(&mut Guest<'_>) -> Done) -> wasmtime::Result<u32> {
    if guest.data().initializing && name != "proxy_log" {
        return Err(wasmtime::Error::msg(format!("{name} is not allowed while the module initializes")));
    }
    if let Some(status) = guest.data_mut().faults.strike(name) {
        return Ok(status);
    }
    match work(&mut guest) {
        Ok(()) => Ok(Status::Ok as u32),
        Err(Stop::Status(status)) => Ok(status as u32),
        Err(Stop::Trap(trap)) => Err(trap),
    }
}

/// Bytes of guest memory.
pub(crate) fn read(guest: &Guest<'_>, at: u32, len: u32) -> Result<Vec<u8>, Status> {
    let memory = guest.data().memory.ok_or(Status::InvalidMemoryAccess)?;
    let (at, len) = (at as usize, len as usize);
    memory.data(guest).get(at..at.saturating_add(len)).map(<[u8]>::to_vec).ok_or(Status::InvalidMemoryAccess)
}

/// Writes guest memory.
pub(crate) fn write(guest: &mut Guest<'_>, at: u32, bytes: &[u8]) -> Result<(), Status> {
    let memory = guest.data().memory.ok_or(Status::InvalidMemoryAccess)?;
    memory.write(guest, at as usize, bytes).map_err(|_| Status::InvalidMemoryAccess)
}

/// Gives the guest bytes in memory that it allocates itself; nothing is allocated for none.
fn give(guest: &mut Guest<'_>, bytes: &[u8], at_ptr: u32, size_ptr: u32) -> Done {
    let size = u32::try_from(bytes.len()).map_err(|_| Status::InvalidMemoryAccess)?;
    let mut at = 0;
    if size > 0 {
        let allocate = guest.data().allocate.clone();
        let allocate = allocate.ok_or(Status::InvalidMemoryAccess)?;
        at = allocate.call(&mut *guest, size).map_err(Stop::Trap)?;
        if at == 0 {
            return Err(Status::InvalidMemoryAccess.into());
        }
        write(guest, at, bytes)?;
    }
    write(guest, at_ptr, &at.to_le_bytes())?;
    write(guest, size_ptr, &size.to_le_bytes())?;
    Ok(())
}

/// Headers from the guest. Envoy takes a malformed list for an empty one; so that a test sees it, it is noted as misuse.
fn read_pairs(guest: &mut Guest<'_>, at: u32, len: u32) -> Result<Vec<Header>, Status> {
    let bytes = read(guest, at, len)?;
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    Ok(pairs::decode(&bytes).unwrap_or_else(|| {
        let misuse = "a malformed list of headers".to_owned();
        guest.data_mut().misuse.push(misuse);
        Vec::new()
    }))
}

/// The header map, when it can be read or changed now.
fn map(state: &mut VmState, map: MapType) -> Option<&mut HeaderMap> {
    let id = state.context();
    let root = state.root_id();
    match map {
        MapType::RequestHeaders => {
            let stream = state.streams.get_mut(&id)?;
            stream.request_open.then_some(&mut stream.request_headers)
        }
        MapType::ResponseHeaders => {
            let stream = state.streams.get_mut(&id)?;
            stream.response_headers.as_mut().filter(|_| stream.response_open)
        }
        MapType::CallResponseHeaders => {
            let answer = state.roots.get_mut(&root)?.answer.as_mut()?;
            Some(&mut answer.headers)
        }
        MapType::CallResponseTrailers => {
            let answer = state.roots.get_mut(&root)?.answer.as_mut()?;
            answer.trailers.as_mut()
        }
        MapType::Absent => None,
    }
}

fn map_type(number: u32) -> Result<MapType, Status> {
    MapType::from_abi(number).ok_or(Status::BadArgument)
}

pub(crate) fn link(linker: &mut Linker<VmState>) -> wasmtime::Result<()> {
    link_basics(linker)?;
    link_headers(linker)?;
    link_streams(linker)?;
    link_callouts(linker)?;
    link_metrics(linker)?;
    link_shared(linker)
}

fn link_basics(linker: &mut Linker<VmState>) -> wasmtime::Result<()> {
    linker.func_wrap("env", "proxy_log", |guest: Guest<'_>, level: u32, at: u32, len: u32| {
        run(guest, "proxy_log", |guest| {
            let level = LogLevel::from_abi(level).ok_or(Status::BadArgument)?;
            let message = read(guest, at, len)?;
            let line =
                LogLine { vm: guest.data().number, level, message: String::from_utf8_lossy(&message).into_owned() };
            guest.data().world.borrow_mut().logs.push(line);
            Ok(())
        })
    })?;
    linker.func_wrap("env", "proxy_set_tick_period_milliseconds", |guest: Guest<'_>, period: u32| {
        run(guest, "proxy_set_tick_period_milliseconds", |guest| {
            let root = guest.data().root_id();
            if let Some(root) = guest.data_mut().roots.get_mut(&root) {
                root.tick_period_ms = Some(period);
            }
            Ok(())
        })
    })?;
    linker.func_wrap("env", "proxy_get_current_time_nanoseconds", |guest: Guest<'_>, at: u32| {
        run(guest, "proxy_get_current_time_nanoseconds", |guest| {
            let now = guest.data().world.borrow().clock_ns;
            Ok(write(guest, at, &now.to_le_bytes())?)
        })
    })?;
    linker.func_wrap(
        "env",
        "proxy_get_buffer_bytes",
        |guest: Guest<'_>, buffer: u32, start: u32, max: u32, at_ptr: u32, size_ptr: u32| {
            run(guest, "proxy_get_buffer_bytes", |guest| {
                let data = buffer_bytes(guest.data(), buffer)?;
                let end = start.checked_add(max).ok_or(Status::BadArgument)? as usize;
                let part = data.get(start as usize..end.min(data.len())).unwrap_or_default();
                give(guest, part, at_ptr, size_ptr)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_get_property",
        |guest: Guest<'_>, path_at: u32, path_len: u32, at_ptr: u32, size_ptr: u32| {
            run(guest, "proxy_get_property", |guest| {
                let path = read(guest, path_at, path_len)?;
                let value = property(guest.data(), &path).ok_or(Status::NotFound)?;
                give(guest, &value, at_ptr, size_ptr)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_property",
        |guest: Guest<'_>, path_at: u32, path_len: u32, at: u32, len: u32| {
            run(guest, "proxy_set_property", |guest| {
                let path = read(guest, path_at, path_len)?;
                let value = read(guest, at, len)?;
                let id = guest.data().context();
                // Filter state belongs to a request: a root has none.
                let stream = guest.data_mut().streams.get_mut(&id);
                let stream = stream.ok_or(Status::NotFound)?;
                stream.filter_state.insert(path, value);
                Ok(())
            })
        },
    )?;
    Ok(())
}

/// A buffer by its ABI number.
fn buffer_bytes(state: &VmState, buffer: u32) -> Result<Vec<u8>, Status> {
    let root = state.roots.get(&state.root_id());
    match buffer {
        // Bodies: this host has none; Envoy gives an empty one then, and an empty call data.
        0..=3 | 5 | 8 => Ok(Vec::new()),
        4 => root.and_then(|r| r.answer.as_ref()).map(|a| a.body.clone()).ok_or(Status::NotFound),
        6 => Ok(state.world.borrow().vm_configuration.clone()),
        7 => root.filter(|r| r.configuration_open).map(|r| r.plugin.configuration.clone()).ok_or(Status::NotFound),
        _ => Err(Status::BadArgument),
    }
}

/// A property: of the request, the plugin, the process, or filter state that the guest itself has set.
fn property(state: &VmState, path: &[u8]) -> Option<Vec<u8>> {
    let stream = state.streams.get(&state.context());
    let root = state.roots.get(&state.root_id());
    let world = state.world.borrow();
    stream
        .and_then(|s| s.properties.get(path))
        .or_else(|| root.and_then(|r| r.plugin.properties.get(path)))
        .or_else(|| world.properties.get(path))
        // Read back by its first part only: a name with a NUL in it can be written but never read.
        .or_else(|| stream.filter(|_| !path.contains(&0))?.filter_state.get(path))
        .cloned()
}

fn link_headers(linker: &mut Linker<VmState>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_get_header_map_pairs",
        |guest: Guest<'_>, kind: u32, at_ptr: u32, size_ptr: u32| {
            run(guest, "proxy_get_header_map_pairs", |guest| {
                let kind = map_type(kind)?;
                // A map that is not there reads as empty, and an empty one has no bytes at all.
                let bytes = match map(guest.data_mut(), kind) {
                    Some(map) if !map.is_empty() => pairs::encode(map.entries()),
                    _ => Vec::new(),
                };
                give(guest, &bytes, at_ptr, size_ptr)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_get_header_map_value",
        |guest: Guest<'_>, kind: u32, name_at: u32, name_len: u32, at_ptr: u32, size_ptr: u32| {
            run(guest, "proxy_get_header_map_value", |guest| {
                let kind = map_type(kind)?;
                let name = read(guest, name_at, name_len)?;
                let map = map(guest.data_mut(), kind).ok_or(Status::BadArgument)?;
                let value = map.get(&name).ok_or(Status::NotFound)?.to_vec();
                give(guest, &value, at_ptr, size_ptr)
            })
        },
    )?;
    for (import, replace) in [("proxy_add_header_map_value", false), ("proxy_replace_header_map_value", true)] {
        linker.func_wrap(
            "env",
            import,
            move |guest: Guest<'_>, kind: u32, name: u32, name_len: u32, value: u32, len: u32| {
                run(guest, import, |guest| {
                    let kind = map_type(kind)?;
                    let name = read(guest, name, name_len)?;
                    let value = read(guest, value, len)?;
                    let map = map(guest.data_mut(), kind).ok_or(Status::BadArgument)?;
                    if replace {
                        map.replace(&name, &value);
                    } else {
                        map.add(&name, &value);
                    }
                    Ok(())
                })
            },
        )?;
    }
    linker.func_wrap(
        "env",
        "proxy_remove_header_map_value",
        |guest: Guest<'_>, kind: u32, name: u32, name_len: u32| {
            run(guest, "proxy_remove_header_map_value", |guest| {
                let kind = map_type(kind)?;
                let name = read(guest, name, name_len)?;
                let map = map(guest.data_mut(), kind).ok_or(Status::BadArgument)?;
                map.remove(&name);
                Ok(())
            })
        },
    )?;
    Ok(())
}

fn link_streams(linker: &mut Linker<VmState>) -> wasmtime::Result<()> {
    linker.func_wrap("env", "proxy_set_effective_context", |guest: Guest<'_>, id: u32| {
        run(guest, "proxy_set_effective_context", |guest| {
            if !guest.data().exists(id) {
                return Err(Status::BadArgument.into());
            }
            guest.data_mut().effective = id;
            Ok(())
        })
    })?;
    linker.func_wrap("env", "proxy_continue_stream", |guest: Guest<'_>, stream_type: u32| {
        run(guest, "proxy_continue_stream", |guest| {
            match stream_type {
                0 => {}
                1 => {
                    // Seen to end Envoy 1.40 with a segmentation fault when no response is on its way.
                    guest.data_mut().misuse.push("continue of a response".to_owned());
                    return Ok(());
                }
                2 => return Ok(()),
                3 => return Err(Status::Unimplemented.into()),
                _ => return Err(Status::BadArgument.into()),
            }
            let state = guest.data_mut();
            let id = state.context();
            let Some(stream) = state.streams.get_mut(&id) else {
                // Envoy answers Ok and does nothing: the request it was meant for waits for ever.
                state.misuse.push(format!("continue on context {id}, which is no stream"));
                return Ok(());
            };
            if stream.action.is_none() {
                stream.misuse.push("continue within its own request callback".to_owned());
            }
            // From here on the map is out of reach: changes must come before the continuation.
            stream.request_open = false;
            state.deferred.push_back(Deferred::Continue(id));
            Ok(())
        })
    })?;
    #[rustfmt::skip]
    linker.func_wrap(
        "env",
        "proxy_send_local_response",
        |guest: Guest<'_>, status: u32, details: u32, details_len: u32, body: u32, body_len: u32, headers: u32,
         headers_len: u32, grpc_status: u32| {
            run(guest, "proxy_send_local_response", |guest| {
                let details = read(guest, details, details_len)?;
                let body = read(guest, body, body_len)?;
                let headers = HeaderMap::received(&read_pairs(guest, headers, headers_len)?);
                // Access logs split at spaces, so Envoy replaces them.
                let details = details.into_iter().map(|b| if b.is_ascii_whitespace() { b'_' } else { b }).collect();
                let grpc_status = (grpc_status <= 16).then_some(grpc_status);
                let response = LocalResponse { status, details, headers, body, grpc_status };
                let state = guest.data_mut();
                let id = state.context();
                state.stop_iteration = true;
                if state.streams.contains_key(&id) {
                    state.deferred.push_back(Deferred::Respond(id, response));
                } else {
                    state.misuse.push(format!("answer on context {id}, which is no stream"));
                }
                Ok(())
            })
        },
    )?;
    Ok(())
}

fn link_callouts(linker: &mut Linker<VmState>) -> wasmtime::Result<()> {
    #[rustfmt::skip]
    linker.func_wrap(
        "env",
        "proxy_http_call",
        |guest: Guest<'_>, cluster: u32, cluster_len: u32, headers: u32, headers_len: u32, body: u32, body_len: u32,
         trailers: u32, trailers_len: u32, timeout_ms: u32, token_ptr: u32| {
            run(guest, "proxy_http_call", |guest| {
                let cluster = read(guest, cluster, cluster_len)?;
                let body = read(guest, body, body_len)?;
                let headers = HeaderMap::received(&read_pairs(guest, headers, headers_len)?);
                read_pairs(guest, trailers, trailers_len)?;
                // Envoy writes the token before and after, failed calls included.
                write(guest, token_ptr, &0_u32.to_le_bytes())?;
                let complete = [":method", ":path", ":authority"].iter().all(|n| headers.get(n).is_some());
                let known = guest.data().world.borrow().clusters.contains(&cluster);
                if i32::try_from(timeout_ms).is_err() || !known || !complete {
                    return Err(Status::BadArgument.into());
                }
                let state = guest.data_mut();
                let root = state.root_id();
                state.next_token += 4;
                let token = state.next_token;
                state.callouts.push(Callout {
                    token,
                    root,
                    cluster: String::from_utf8_lossy(&cluster).into_owned(),
                    headers,
                    body,
                    timeout_ms: (timeout_ms > 0).then_some(timeout_ms),
                });
                Ok(write(guest, token_ptr, &token.to_le_bytes())?)
            })
        },
    )?;
    Ok(())
}

fn link_metrics(linker: &mut Linker<VmState>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_define_metric",
        |guest: Guest<'_>, kind: u32, name: u32, name_len: u32, id_ptr: u32| {
            run(guest, "proxy_define_metric", |guest| {
                let name = read(guest, name, name_len)?;
                let name = String::from_utf8_lossy(&name).into_owned();
                let new = match kind {
                    0 => Metric::Counter(0),
                    1 => Metric::Gauge(0),
                    2 => Metric::Histogram(Vec::new()),
                    _ => return Err(Status::BadArgument.into()),
                };
                let state = guest.data_mut();
                // The two low bits of an id are its kind. Ids are a VM's own; a metric of the same name is shared.
                let next = &mut state.next_metric[kind as usize];
                *next += 4;
                let id = *next | kind;
                state.metric_ids.insert(id, name.clone());
                state.world.borrow_mut().metrics.entry(name).or_insert(new);
                Ok(write(guest, id_ptr, &id.to_le_bytes())?)
            })
        },
    )?;
    linker.func_wrap("env", "proxy_increment_metric", |guest: Guest<'_>, id: u32, offset: i64| {
        run(guest, "proxy_increment_metric", |guest| {
            let name = metric_name(guest.data(), id)?;
            let mut world = guest.data().world.borrow_mut();
            ok_or(world.metric_increment(&name, offset))
        })
    })?;
    linker.func_wrap("env", "proxy_record_metric", |guest: Guest<'_>, id: u32, value: u64| {
        run(guest, "proxy_record_metric", |guest| {
            let name = metric_name(guest.data(), id)?;
            let mut world = guest.data().world.borrow_mut();
            ok_or(world.metric_record(&name, value))
        })
    })?;
    linker.func_wrap("env", "proxy_get_metric", |guest: Guest<'_>, id: u32, value_ptr: u32| {
        run(guest, "proxy_get_metric", |guest| {
            let name = metric_name(guest.data(), id)?;
            let value = match guest.data().world.borrow().metrics.get(&name) {
                Some(Metric::Counter(value) | Metric::Gauge(value)) => *value,
                _ => return Err(Status::BadArgument.into()),
            };
            Ok(write(guest, value_ptr, &value.to_le_bytes())?)
        })
    })?;
    Ok(())
}

fn metric_name(state: &VmState, id: u32) -> Result<String, Status> {
    state.metric_ids.get(&id).cloned().ok_or(Status::NotFound)
}

fn ok_or(status: Status) -> Done {
    match status {
        Status::Ok => Ok(()),
        other => Err(other.into()),
    }
}

fn link_shared(linker: &mut Linker<VmState>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_get_shared_data",
        |guest: Guest<'_>, key: u32, key_len: u32, at_ptr: u32, size_ptr: u32, cas_ptr: u32| {
            run(guest, "proxy_get_shared_data", |guest| {
                let key = read(guest, key, key_len)?;
                let found = guest.data().world.borrow().shared_get(&key);
                let (value, cas) = found.ok_or(Status::NotFound)?;
                give(guest, &value, at_ptr, size_ptr)?;
                Ok(write(guest, cas_ptr, &cas.to_le_bytes())?)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_shared_data",
        |guest: Guest<'_>, key: u32, key_len: u32, value: u32, value_len: u32, cas: u32| {
            run(guest, "proxy_set_shared_data", |guest| {
                let key = read(guest, key, key_len)?;
                let value = read(guest, value, value_len)?;
                let mut world = guest.data().world.borrow_mut();
                ok_or(world.shared_set(&key, &value, cas))
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_register_shared_queue",
        |guest: Guest<'_>, name: u32, name_len: u32, token_ptr: u32| {
            run(guest, "proxy_register_shared_queue", |guest| {
                let name = read(guest, name, name_len)?;
                let token = guest.data().world.borrow_mut().queue_register(&name);
                Ok(write(guest, token_ptr, &token.to_le_bytes())?)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_resolve_shared_queue",
        |guest: Guest<'_>, vm_id: u32, vm_id_len: u32, name: u32, name_len: u32, token_ptr: u32| {
            run(guest, "proxy_resolve_shared_queue", |guest| {
                let vm_id = read(guest, vm_id, vm_id_len)?;
                let name = read(guest, name, name_len)?;
                let world = guest.data().world.borrow();
                let vm_id = if vm_id.is_empty() { &world.vm_id } else { &vm_id };
                let token = world.queue_resolve(vm_id, &name);
                drop(world);
                let token = token.ok_or(Status::NotFound)?;
                Ok(write(guest, token_ptr, &token.to_le_bytes())?)
            })
        },
    )?;
    linker.func_wrap("env", "proxy_enqueue_shared_queue", |guest: Guest<'_>, token: u32, at: u32, len: u32| {
        run(guest, "proxy_enqueue_shared_queue", |guest| {
            let data = read(guest, at, len)?;
            ok_or(guest.data().world.borrow_mut().queue_push(token, &data))
        })
    })?;
    linker.func_wrap(
        "env",
        "proxy_dequeue_shared_queue",
        |guest: Guest<'_>, token: u32, at_ptr: u32, size_ptr: u32| {
            run(guest, "proxy_dequeue_shared_queue", |guest| {
                let data = guest.data().world.borrow_mut().queue_pop(token)?;
                give(guest, &data, at_ptr, size_ptr)
            })
        },
    )?;
    Ok(())
}
