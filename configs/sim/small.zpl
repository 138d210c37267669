#   small.zpl - one process for the simulator: every transition of a segment within a minute
cluster
    name = "sim"
    logs = 1
    seal_rows = 64
    seal_time = 5s
    index_rows_min = 128
    window_requests = 64
    log_file_bytes = 64KB
process
    name = "all"
    data = "data/all"
    actor
        role = "proxy"
        loop = "query"
    actor
        role = "data_node"
        loop = "query"
    actor
        role = "query_node"
        loop = "query"
    actor
        role = "meta"
        loop = "coord"
    actor
        role = "root_coord"
        loop = "coord"
    actor
        role = "data_coord"
        loop = "coord"
    actor
        role = "query_coord"
        loop = "coord"
    actor
        role = "index_coord"
        loop = "coord"
    actor
        role = "index_node"
        loop = "coord"
