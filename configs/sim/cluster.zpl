#   cluster.zpl - many processes for the simulator: every role may lose any other
cluster
    name = "sim"
    logs = 2
    objects_path = "data/objects"
    seal_rows = 64
    seal_time = 5s
    index_rows_min = 128
    window_requests = 64
    log_file_bytes = 64KB
process
    name = "front"
    endpoint = "tcp://127.0.0.1:7000"
    data = "data/front"
    actor
        role = "meta"
    actor
        role = "root_coord"
    actor
        role = "data_coord"
    actor
        role = "query_coord"
    actor
        role = "index_coord"
process
    name = "proxy"
    endpoint = "tcp://127.0.0.1:7001"
    data = "data/proxy"
    actor
        role = "proxy"
process
    name = "data-1"
    endpoint = "tcp://127.0.0.1:7002"
    data = "data/data-1"
    actor
        role = "data_node"
process
    name = "data-2"
    endpoint = "tcp://127.0.0.1:7003"
    data = "data/data-2"
    actor
        role = "data_node"
process
    name = "query-1"
    endpoint = "tcp://127.0.0.1:7004"
    data = "data/query-1"
    actor
        role = "query_node"
process
    name = "query-2"
    endpoint = "tcp://127.0.0.1:7005"
    data = "data/query-2"
    actor
        role = "query_node"
process
    name = "index"
    endpoint = "tcp://127.0.0.1:7006"
    data = "data/index"
    actor
        role = "index_node"
