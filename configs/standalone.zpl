#   standalone.zpl - everything in one process; what `zactor run` takes when no file is named
#   Data in ./data, clients at tcp://127.0.0.1:7700. Keys: docs/configuration.md
cluster
    name = "kith"
process
    name = "standalone"
    data = "data"
    #   The way of a write and a search: one thread, so that a request crosses few
    actor
        role = "proxy"
        listen = "tcp://127.0.0.1:7700"
        loop = "query"
    actor
        role = "data_node"
        loop = "query"
    actor
        role = "query_node"
        loop = "query"
    #   Those who decide, and the one who builds indexes
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
