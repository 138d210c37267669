#   local-cluster.zpl - seven processes on one host; every process reads this file
#   `zactor run configs/local-cluster.zpl` starts them all and restarts one that dies. Clients: tcp://127.0.0.1:7700
cluster
    name = "local"
    logs = 4
    objects_path = "data/local-objects"
process
    name = "front"
    endpoint = "tcp://127.0.0.1:7000"
    data = "data/front"
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
process
    name = "proxy"
    endpoint = "tcp://127.0.0.1:7001"
    data = "data/proxy"
    actor
        role = "proxy"
        listen = "tcp://127.0.0.1:7700"
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
