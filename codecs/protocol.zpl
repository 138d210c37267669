#   protocol.zpl - the one model of Kith's wire: roles, structs and messages
#
#   codecs/gen writes proto.h and proto.c (structs, tables) and docs/protocol.md from it. Fields are only appended; numbers are
#   never reused. Field = "type, what it is". Types: bool u32 u64 i64 f32 f64 string bytes frame, the name of a struct, and []TYPE for a list.
#   A message's `answer` is what a call of it gets (or `failed`).

version = 1

roles
    client = 0
    meta = 1
    proxy = 2
    root_coord = 3
    query_coord = 4
    data_coord = 5
    index_coord = 6
    query_node = 7
    data_node = 8
    index_node = 9
    gateway = 10
    supervisor = 11

structs
    address
        doc = "Who: an actor of a role"
        role = "u32, number of the role"
        index = "u32, which of that role"
        incarnation = "u64, which life of it; 0: whichever lives now"
    envelope
        doc = "First part of every message"
        version = "u32, of the protocol"
        from = "address, who sends"
        to = "address, who is meant"
        request = "u64, id of a call, the same in its answer; 0: a plain send"
        kind = "u32, number of the message in the body"
        flags = "u32, 1: this is an answer; 2: crc is set"
        deadline_ms = "u32, milliseconds left when it was sent; 0: no deadline"
        trace = "u64, groups what follows from one request; 0: not traced"
        clock = "u64, hybrid clock of the sender"
        schema = "u64, version of the collection's definition; 0: none"
        hops = "u32, threads crossed so far"
        crc = "u32, CRC32C of the body and all frames, one after another"
        frames = "u32, how many frames follow the body"
    request_id
        doc = "Names a write for ever (W1)"
        client = "bytes, 16 random bytes of the client"
        counter = "u64, counts the client's writes"
        part = "u32, which part of it: the shard"
    position
        doc = "A place in a log; a list of them is a token"
        log = "u32, number of the log"
        epoch = "u64, epoch of the record"
        seq = "u64, seq of the record"
    field
        doc = "A field of a schema"
        id = "u32, from 100 on; 0 when the server is to choose"
        name = "string, [A-Za-z_][A-Za-z0-9_]*, up to 255"
        type = "u32, kith_type_t"
        dim = "u32, of a vector, else 0"
        max_length = "u32, bytes of a varchar, else 0"
        key = "bool, the primary key (int64 or varchar)"
        nullable = "bool, rows may lack it"
        metric = "u32, kith_metric_t of a vector, else 0"
        has_default = "bool, a missing value is filled in"
        default_value = "string, the default as JSON text"
    channel_ref
        doc = "A shard's channel"
        channel = "u64, id, never used again"
        shard = "u32, 0 .. shards - 1"
        log = "u32, the log that holds it, for life"
    partition
        doc = "A partition of a collection"
        id = "u32, 0 is _default"
        name = "string, its name"
    index_spec
        doc = "What a field's segments are indexed with"
        field = "u32, field id"
        type = "string, auto, flat, graph, ivf, disk or bin"
        recall = "f32, what the index is calibrated for"
        degree = "u32, links a row (graph, disk); 0: by dimension"
        effort = "u32, beam width of the build (graph, disk); 0: 200"
        code = "string, what the vectors are coded as: auto, float32, sq8, sq4, rabitq or pq4; empty: auto"
        lists = "u32, inverted lists (ivf, bin); 0: by rows"
    collection
        doc = "Row collection/<id>: a collection's definition"
        id = "u64, never used again"
        db = "string, database"
        name = "string, name"
        version = "u64, of this definition; 1 at creation"
        fields = "[]field, in the order given"
        channels = "[]channel_ref, by shard"
        partitions = "[]partition, 0 is _default"
        indexes = "[]index_spec, at most one a field"
        created = "u64, hybrid timestamp"
        auto_id = "bool, keys are made by the client's edge"
        loaded = "bool, searchable"
        replicas = "u32, 1"
        dropped = "bool, T9 was made; its rows are being freed"
        partition_next = "u32, id of the next partition; 0: one more than the greatest"
        dropping = "[]partition, dropped ones whose rows may not have ended in every channel"
    segment_row
        doc = "A flushed segment in its channel's row"
        segment = "u64, seq of its SEAL (compaction: of its newest input)"
        from = "u64, first seq covered"
        to = "u64, last seq covered"
        base = "u64, versions that ended at or before it may be missing"
        applied_to = "u64, the death list is complete up to it"
        rows = "u64, in the snapshot"
        dead = "u64, entries of the death list"
        bytes = "u64, size of the snapshot"
        snapshot = "string, object name"
        snapshot_hash = "u64, of the whole file"
        deaths = "string, object name; empty: no deaths"
        deaths_hash = "u64, of the whole file"
        deaths_bytes = "u64, its size"
        inputs = "[]u64, segments that a compaction replaced"
    channel_row
        doc = "Row channel/<id>: a channel's manifest (PROTOCOL 1)"
        channel = "u64, id"
        collection = "u64, its collection"
        shard = "u32, which shard"
        log = "u32, its log"
        dropped = "bool, T9"
        checkpoint = "u64, everything at or below is in segments"
        checkpoint_epoch = "u64, reader's epoch there"
        checkpoint_timestamp = "u64, of the record there"
        low = "u64, the window has every request with seq above it"
        window = "string, object name; empty: none"
        window_hash = "u64, of the whole file"
        window_bytes = "u64, its size"
        segments = "[]segment_row, by from"
    owner_row
        doc = "Row log/<n>: who owns a log (PROTOCOL 1)"
        epoch = "u64, of the newest opening"
        node = "u32, index of the data node"
        incarnation = "u64, of the data node"
        home = "u32, index of the data node whose disk has the files"
        base = "u64, seq before the home's first record"
        ready = "bool, the home's directory was made (T6)"
    node_row
        doc = "Row node/<role>/<index>, under a lease: alive = it is there (T10)"
        incarnation = "u64, of the node"
        endpoint = "string, exchange of its process"
    role_row
        doc = "Row role/<coordinator>: its one writer"
        incarnation = "u64, of the coordinator"
        epoch = "u64, counts its lives"
    index_row
        doc = "Row index/<channel>/<segment>/<field> (T7)"
        channel = "u64, channel"
        segment = "u64, segment"
        field = "u32, field id"
        type = "string, kind that was built"
        object = "string, object name"
        hash = "u64, of the whole file"
        bytes = "u64, its size"
        rows = "u64, of the segment"
        recall = "f32, calibrated"
        effort = "u32, at which it was measured"
        ms = "u64, the build took"
        code = "string, what the vectors are coded as; empty: not at all"
        memory = "u64, bytes that it takes when it is loaded"
        spec = "u64, hash of the specification that it was built for; 0: from before there were several"
    index_loaded
        doc = "Rows that are searched through an index"
        field = "u32, field id"
        spec = "u64, specification that it was built for, as in index_row"
        rows = "u64, of its segments"
    topology_row
        doc = "Row topology/current: the committed topology"
        version = "u64, 1 at the first commit"
        text = "string, canonical configuration"
    counter_row
        doc = "Row id/<what>: ids given out"
        next = "u64, first one not given out"
    name_row
        doc = "Row name/<db>/<collection name>"
        collection = "u64, id"
    kv_item
        doc = "A key with its value"
        key = "string, key"
        value = "bytes, value"
        revision = "u64, of the transaction that put it"
    kv_compare
        doc = "A condition of a transaction"
        key = "string, key"
        revision = "u64, that it must carry; 0: it must be absent"
    kv_change
        doc = "A change of a transaction"
        key = "string, key"
        value = "bytes, new value"
        remove = "bool, the key is deleted"
    log_route
        doc = "Where a log's owner is"
        log = "u32, number"
        owner = "address, data node"
        epoch = "u64, of its opening"
        last = "u64, newest synced seq the owner told"
        bytes = "u64, of records above the checkpoints"
        open = "bool, it answers"
        code = "u32, kith_code_t: why its home could not open it the last time; 0: it could, or did not try yet"
        reason = "string, the same in words; empty: nothing failed"
        hint = "string, what to do about it; empty: nothing"
        failed_ms = "u64, for how long it could not be opened"
    channel_route
        doc = "Where a channel's reads go"
        channel = "u64, channel"
        delegator = "address, query node"
    segment_place
        doc = "Which query node holds a segment"
        segment = "segment_row, as in the channel's row"
        holder = "address, query node"
        indexes = "[]index_row, built for it"
    stage
        doc = "One line of an explained search"
        what = "string, growing, sealed, wait, merge"
        shard = "u32, shard"
        segment = "u64, segment; 0: growing"
        rows = "u64, rows in it"
        index = "string, kind of the index, flat without one; empty for growing rows that are all compared"
        effort = "u32, beam width, lists or candidates"
        compared = "u64, distances computed"
        us = "u64, microseconds"
        code = "string, that the index walks or scans by; empty: none"
    actor_status
        doc = "An actor of a process"
        role = "string, role"
        index = "u32, which"
        state = "string, up, starting, failed"
        note = "string, what it is at"
    loop_status
        doc = "A loop of a process"
        name = "string, name"
        events = "u64, handled"
        slow = "u64, callbacks over the limit"
        queue = "u32, messages waiting"
    process_info
        doc = "What a process says of itself"
        name = "string, of the configuration"
        endpoint = "string, its exchange; empty: none"
        pid = "u32, process id"
        up_ms = "u64, since start"
        cpu = "f64, seconds used"
        rss = "u64, bytes resident"
        actors = "[]actor_status, its actors"
        loops = "[]loop_status, its loops"
        inproc = "u64, messages between loops"
        tcp = "u64, messages sent by tcp"
        ipc = "u64, messages sent by ipc"
        kernels = "string, ISA in use"
        blas = "string, which, and if it was checked"
        listen = "string, client endpoint; empty: none"
        up = "bool, it answered"
        incarnation = "u64, of the process"
    collection_info
        doc = "What describe shows"
        definition = "collection, as in metadata"
        rows = "u64, visible now"
        disk = "u64, bytes in objects"
        memory = "u64, bytes resident for it"
        growing = "u32, segments"
        sealed = "u32, segments"
        indexed = "u32, segments"
        indexes = "[]index_state, one a specification"
    index_state
        doc = "How far an index is"
        field = "u32, field id"
        type = "string, kinds that were built; before that the one that was asked for"
        rows = "u64, in segments that are to be indexed"
        built = "u64, rows in segments whose index exists"
        loaded = "u64, rows in segments whose index is in use"
        recall = "f32, calibrated, the least of its segments"
        effort = "u32, the greatest of its segments"
        done = "u64, rows done by builds under way"
        failed = "string, why the last build failed; empty: it did not"
        code = "string, codes that were built; empty: none"
        memory = "u64, bytes that the built indexes take when they are loaded"
        spec = "u64, hash of the specification"

messages
    #   answers that many calls share
    ok
        number = 1
        doc = "Done"
    failed
        number = 2
        doc = "Refused, or failed"
        code = "u32, kith_code_t"
        message = "string, one sentence"
        hint = "string, what to do; empty: nothing"
        at = "i64, position in the input; -1: none"
        retry = "bool, a retry may help"

    #   metadata (role meta)
    kv_get
        number = 10
        answer = kv_value
        doc = "One key"
        key = "string, key"
    kv_value
        number = 11
        doc = "Answer of kv_get"
        value = "bytes, value"
        revision = "u64, 0: absent"
    kv_scan
        number = 12
        answer = kv_rows
        doc = "Every key with a prefix"
        prefix = "string, prefix"
    kv_rows
        number = 13
        doc = "Answer of kv_scan"
        items = "[]kv_item, in key order"
        revision = "u64, of the store then"
    kv_txn
        number = 14
        answer = kv_done
        doc = "Compares, and changes made only if all hold"
        compares = "[]kv_compare, conditions"
        changes = "[]kv_change, changes"
    kv_done
        number = 15
        doc = "Answer of kv_txn"
        committed = "bool, all compares held"
        revision = "u64, of the store after it"
    lease_put
        number = 18
        answer = kv_done
        doc = "Puts a key that is deleted when it is not kept alive (T10)"
        key = "string, key"
        value = "bytes, value"
        ttl_ms = "u32, time to live"
    lease_keep
        number = 19
        answer = ok
        doc = "Keeps a leased key alive; NOT_FOUND: it is gone, put it again"
        key = "string, key"
        value = "bytes, what it must still hold"

    #   data path
    write
        number = 30
        answer = write_ok
        doc = "Rows or keys for one shard (W1-W5)"
        channel = "u64, channel"
        log = "u32, its log"
        request = "request_id, the same at every retry"
        since = "u64, newest seq of that log the client knew before the first send"
        partition = "u32, partition id"
        remove = "bool, rows are keys to delete"
        rows = "frame, a batch"
        collection = "u64, its collection"
    write_ok
        number = 31
        doc = "Durable"
        epoch = "u64, of the record"
        seq = "u64, of the record"
    fetch
        number = 32
        answer = records
        doc = "Records of a channel after a place (Y1-Y4)"
        channel = "u64, channel"
        log = "u32, its log"
        after_epoch = "u64, epoch of the last record known"
        after = "u64, seq known"
        credit = "u32, bytes wanted at most"
        wait_ms = "u32, how long to wait when there is nothing new"
        keys_only = "bool, keys and seqs are enough"
    records
        number = 33
        doc = "Answer of fetch"
        from = "u64, after + 1"
        to = "u64, nothing of the channel is missing up to here"
        epoch = "u64, of the last record"
        records = "frame, records one after another; 0: none in the range"
    trimmed
        number = 34
        doc = "Answer of fetch: the records are gone"
        checkpoint = "u64, read the channel's row"
    ask_last
        number = 35
        answer = last
        doc = "The newest durable seq of a log (S1-S3)"
        log = "u32, number"
    last
        number = 36
        doc = "Answer of ask_last"
        epoch = "u64, of the owner"
        seq = "u64, synced"
    log_flush
        number = 37
        answer = flushed
        doc = "data_coord to owner: seal and flush channels, answer when committed"
        log = "u32, number"
        channels = "[]u64, channels; none: all"
    flushed
        number = 38
        doc = "Answer of log_flush and collection_flush"
        segments = "u32, new segments"
        rows = "u64, in them"
        bytes = "u64, of them"
    channel_dropped
        number = 39
        answer = ok
        doc = "root_coord to data_coord and query_coord, data_coord to owner: forget a channel"
        channels = "[]u64, channels"
        collection = "u64, their collection"

    #   data coordination
    node_hello
        number = 40
        answer = node_welcome
        doc = "A node to its coordinator, at start and then every 2 s"
        endpoint = "string, exchange of its process"
        busy = "u32, work it has"
        logs = "[]log_route, data node: the logs it owns"
        channels = "[]u64, query node: channels that it follows or holds segments of"
    node_welcome
        number = 41
        doc = "Answer of node_hello"
        logs = "[]u32, data node: logs whose home it is"
        cluster = "u64, id of the cluster"
    log_open
        number = 42
        answer = log_opened
        doc = "T1 for a data node"
        log = "u32, number"
    log_opened
        number = 43
        doc = "Answer of log_open: the epoch is the asker's"
        epoch = "u64, new"
        base = "u64, seq before the home's first record"
        home_new = "bool, the directory may be made"
        cluster = "u64, id of the cluster"
    home_ready
        number = 44
        answer = ok
        doc = "T6"
        log = "u32, number"
        epoch = "u64, of the asker"
    log_channels
        number = 45
        answer = channels
        doc = "Channel rows of a log (K2, L4)"
        log = "u32, number"
    channel_get
        number = 46
        answer = channels
        doc = "One channel's row"
        channel = "u64, channel"
    channels
        number = 47
        doc = "Rows with their row revisions and definitions"
        rows = "[]channel_row, rows"
        revisions = "[]u64, of each row"
        collections = "[]collection, definition for each row"
    checkpoint_commit
        number = 48
        answer = committed
        doc = "T2 for a data node"
        log = "u32, number"
        epoch = "u64, of the asker"
        revision = "u64, of the row that was read"
        row = "channel_row, new row"
        freed = "[]segment_row, segments that leave the row because each of their rows ended"
    committed
        number = 49
        doc = "Answer of checkpoint_commit"
        revision = "u64, of the new row"
    route_logs
        number = 50
        answer = log_routes
        doc = "Where the logs' owners are"
    log_routes
        number = 51
        doc = "Answer of route_logs"
        logs = "[]log_route, by number"
    rows_changed
        number = 52
        doc = "data_coord and index_coord to the others: a channel's row or indexes changed"
        channel = "u64, channel"
        collection = "u64, its collection"

    partition_end
        number = 53
        answer = ok
        doc = "root_coord to data_coord, data_coord to owner: end the rows of a dropped partition"
        collection = "u64, its collection"
        partition = "u32, id, never used again"
        log = "u32, number (owner)"
        channels = "[]u64, the one channel (owner)"

    #   query coordination
    route_channels
        number = 60
        answer = channel_routes
        doc = "Delegators of a collection's channels"
        collection = "u64, id"
    channel_routes
        number = 61
        doc = "Answer of route_channels"
        channels = "[]channel_route, by shard"
    follow
        number = 62
        answer = ok
        doc = "query_coord to a delegator: answer for a channel, with these holders; again whenever they change"
        definition = "collection, definition"
        row = "channel_row, present row"
        places = "[]segment_place, for each segment of the row"
        log = "u32, the channel's log"
        plan = "u64, rises with each change of this assignment"
    hold
        number = 63
        answer = ok
        doc = "query_coord to a holder: load these segments (pinned by T4 already), unload others of the channel"
        definition = "collection, definition"
        channel = "u64, channel"
        log = "u32, its log"
        delegator = "address, whom to tell READY"
        places = "[]segment_place, those with this holder"
        plan = "u64, rises with each change of this assignment"
    unfollow
        number = 64
        answer = ok
        doc = "query_coord to a query node: the channel is dropped or released, or is answered elsewhere"
        channel = "u64, channel"
        plan = "u64, rises with each change of this assignment"
    segment_ready
        number = 65
        answer = ok
        doc = "READY: holder to delegator (D1)"
        channel = "u64, channel"
        segment = "u64, segment"
        base = "u64, of the segment"
        applied_to = "u64, deaths are complete up to it"
        rows = "u64, in it"
        index = "string, kind of its index; empty: none yet"
        recall = "f32, of the index"
        effort = "u32, of the index"
        memory = "u64, bytes resident"
        object = "string, snapshot that is loaded"
        loaded = "[]index_loaded, indexes in use"
    segment_unused
        number = 66
        answer = ok
        doc = "holder to query_coord: unloaded, unpin (H5)"
        channel = "u64, channel"
        segment = "u64, segment"
    segment_kept
        number = 76
        answer = ok
        doc = "query_coord to a query node: does it still hold it? Refused with not_found: no, the pin can go (H5)"
        channel = "u64, channel"
        segment = "u64, segment"
    channel_refresh
        number = 67
        answer = follow
        doc = "delegator to query_coord: the row again (Y4)"
        channel = "u64, channel"
    channel_state
        number = 68
        answer = channel_stated
        doc = "How far a delegator is"
        channel = "u64, channel"
    channel_stated
        number = 69
        doc = "Answer of channel_state"
        applied = "u64, seq"
        covered = "u64, nothing missing up to it"
        rows = "u64, visible at applied"
        growing = "u32, segments"
        sealed = "u32, segments in view"
        indexed = "u32, of them with an index"
        loading = "u32, segments of the row not in view yet"
        memory = "u64, bytes resident"
        index_rows = "u64, rows in view through an index"
        unindexed_rows = "u64, rows of sealed segments in view without one"
        disk = "u64, bytes of its snapshots and death lists"
        loaded = "[]index_loaded, indexes in use, of all segments in view"

    #   reads
    search
        number = 70
        answer = found
        doc = "Nearest rows: client to proxy, and proxy to a delegator"
        collection = "string, name (client)"
        db = "string, database (client)"
        channel = "u64, channel (delegator)"
        field = "string, vector field; empty: the only one"
        queries = "frame, nq vectors of the field's type, as a column holds them"
        nq = "u32, how many"
        k = "u32, rows wanted for each"
        filter = "string, filter text; empty: none"
        output = "[]string, fields wanted; none: all but vectors; * all"
        level = "u32, kith_consistency_t"
        token = "[]position, what the read must see (session)"
        bounded_ms = "u32, for bounded; 0: 5000"
        recall = "f32, wanted; 0: the index's"
        effort = "u32, explicit; 0: by recall"
        partial = "bool, an answer without a shard is better than none"
        explain = "bool, tell the stages"
        partitions = "[]string, names (client); none: all"
        partition_ids = "[]u32, ids (delegator)"
        keys = "frame, a batch with the key field: search by stored rows, which are left out (client); 0: none"
        skip = "frame, a batch with the key field: rows to leave out, one a query (delegator); 0: none"
    found
        number = 71
        doc = "Answer of search: rows of all queries one after another, best first"
        counts = "frame, u32 for each query"
        scores = "frame, float32 for each row"
        rows = "frame, a batch: key first, seq, then the fields wanted; 0: no row"
        compared = "u64, distances computed"
        of = "u64, rows that could have been"
        partial = "bool, coverage is not whole"
        coverage = "f64, of the shards, 0 to 1"
        token = "[]position, what was read up to"
        stages = "[]stage, if explain"
        us = "u64, the server took"
        hops = "u32, threads crossed on the way"
        index = "string, kind of the index that most rows were searched by; empty: only growing rows"
    search_segments
        number = 72
        answer = found
        doc = "Delegator to a holder: the same over named segments at S (R3)"
        plan = "search, as the delegator got it"
        segments = "[]u64, segments"
        s = "u64, seq read at"
        queries = "frame, as in search"
        skip = "frame, as in search"
    query
        number = 73
        answer = rows
        doc = "Rows by keys or filter: client to proxy, and proxy to a delegator"
        collection = "string, name (client)"
        db = "string, database (client)"
        channel = "u64, channel (delegator)"
        keys = "frame, a batch with the key field; 0: by filter"
        filter = "string, filter text; empty: all"
        output = "[]string, as in search"
        limit = "u64, rows at most; 0: 16,384"
        count = "bool, only how many"
        order = "string, field to sort by; empty: by key"
        descending = "bool, the other way"
        level = "u32, kith_consistency_t"
        token = "[]position, as in search"
        bounded_ms = "u32, as in search"
        partitions = "[]string, as in search"
        partition_ids = "[]u32, as in search"
        offset = "u64, rows left out first"
    rows
        number = 74
        doc = "Answer of query"
        rows = "frame, a batch: key first, seq, then the fields wanted; 0: no row"
        count = "u64, rows, or how many with count"
        token = "[]position, what was read up to"
        us = "u64, the server took"
    query_segments
        number = 75
        answer = rows
        doc = "Delegator to a holder: the same over named segments at S"
        plan = "query, as the delegator got it"
        segments = "[]u64, segments"
        s = "u64, seq read at"
        keys = "frame, as in query"

    #   index building
    index_build
        number = 80
        answer = index_built
        doc = "index_coord to an index node"
        definition = "collection, definition"
        channel = "u64, channel"
        segment = "segment_row, as in the row"
        spec = "index_spec, what to build"
        object = "string, name to put it under"
    index_built
        number = 81
        doc = "Answer of index_build"
        row = "index_row, what was put"
    index_progress
        number = 82
        doc = "index node to index_coord, now and then"
        channel = "u64, channel"
        segment = "u64, segment"
        done = "u64, rows"
    index_refused
        number = 83
        answer = ok
        doc = "query node to index_coord, as long as it is so: this index cannot be opened, build it anew; or there is no room for it"
        channel = "u64, channel"
        segment = "u64, segment"
        field = "u32, field id"
        object = "string, that is not loaded"
        reason = "string, why"
        sound = "bool, nothing is wrong with it: it takes more memory than is left"

    #   clients (to a proxy, which passes definitions on to root_coord)
    collection_create
        number = 100
        answer = collection_described
        doc = "Makes a collection (T8)"
        db = "string, database; empty: default"
        name = "string, [A-Za-z_][A-Za-z0-9_]*, up to 255"
        fields = "[]field, exactly one key, at least one vector"
        shards = "u32, 0: 1"
        auto_id = "bool, keys are made by the client"
        partitions = "[]string, beside _default"
        ok_if_same = "bool, an equal collection that is there is no error"
    collection_drop
        number = 101
        answer = ok
        doc = "Drops a collection (T9)"
        db = "string, database"
        name = "string, name"
    collection_list
        number = 102
        answer = collection_listed
        doc = "All collections"
        db = "string, database"
    collection_listed
        number = 103
        doc = "Answer of collection_list"
        collections = "[]collection_info, by name"
    collection_describe
        number = 104
        answer = collection_described
        doc = "One collection: definition alone, or with figures"
        db = "string, database"
        name = "string, name; empty: by id"
        id = "u64, id"
        figures = "bool, rows, bytes, segments too"
    collection_described
        number = 105
        doc = "Answer of collection_describe"
        info = "collection_info, what it is"
    index_create
        number = 106
        answer = ok
        doc = "Says how a field is indexed; builds begin once its rows are flushed"
        db = "string, database"
        collection = "string, name"
        field = "string, name"
        spec = "index_spec, how; field is ignored"
    index_drop
        number = 107
        answer = ok
        doc = "Drops an index"
        db = "string, database"
        collection = "string, name"
        field = "string, name"
    index_describe
        number = 108
        answer = index_described
        doc = "How far a collection's indexes are"
        db = "string, database"
        collection = "string, name"
        id = "u64, id, between coordinators"
    index_described
        number = 109
        doc = "Answer of index_describe"
        indexes = "[]index_state, one a specification"
    insert
        number = 110
        answer = mutated
        doc = "Rows; one with a key that is there replaces it"
        db = "string, database"
        collection = "string, name"
        partition = "string, name; empty: _default"
        request = "request_id, made by the client; part is ignored"
        since = "[]position, newest seqs the client knew before the first send (W1)"
        rows = "frame, a batch"
        schema = "u64, version of the definition that the rows were made for; 0: unknown"
    remove
        number = 111
        answer = mutated
        doc = "Deletes rows by key"
        db = "string, database"
        collection = "string, name"
        request = "request_id, as in insert"
        since = "[]position, as in insert"
        keys = "frame, a batch of the key field"
    mutated
        number = 112
        doc = "Answer of insert and remove"
        rows = "u64, accepted"
        token = "[]position, hand it back to see them"
        us = "u64, the server took"
    collection_open
        number = 113
        answer = collection_opened
        doc = "What a client needs before it writes: definition, and the LAST of its logs"
        db = "string, database"
        name = "string, name"
    collection_opened
        number = 114
        doc = "Answer of collection_open"
        definition = "collection, as it is"
        since = "[]position, of each of its logs"
    collection_flush
        number = 115
        answer = flushed
        doc = "Seals and flushes a collection's rows"
        db = "string, database"
        name = "string, name"
        id = "u64, id, between coordinators"
    collection_load
        number = 116
        answer = ok
        doc = "Makes a collection searchable, or (release) not"
        db = "string, database"
        name = "string, name"
        replicas = "u32, 0: 1"
        release = "bool, take it out of memory"
    status
        number = 117
        answer = cluster_status
        doc = "The whole cluster"
    cluster_status
        number = 118
        doc = "Answer of status"
        cluster = "string, name"
        topology = "u64, version"
        processes = "[]process_info, as configured"
        logs = "[]log_route, by number"
        ready = "bool, everything that was there is searchable"
        waiting = "string, for what, when not"
        differs = "string, how a process's file differs from the committed topology; empty: it does not"
    stop
        number = 119
        answer = ok
        doc = "Ends a process or all, in order"
        process = "string, name; empty: all"
    process_status
        number = 120
        answer = process_stated
        doc = "proxy to a supervisor"
    process_stated
        number = 121
        doc = "Answer of process_status"
        info = "process_info, this one"
    partition_create
        number = 122
        answer = ok
        doc = "Adds a partition"
        db = "string, database"
        collection = "string, name"
        partition = "string, name"
    partition_drop
        number = 123
        answer = ok
        doc = "Drops a partition and its rows"
        db = "string, database"
        collection = "string, name"
        partition = "string, name"
        id = "u32, of one whose drop is gone on with; 0: the one that has the name"
    ping
        number = 124
        answer = ok
        doc = "Nothing: is somebody there"
    topology_get
        number = 125
        answer = topology
        doc = "proxy to root_coord: the committed topology"
    topology
        number = 126
        doc = "Answer of topology_get"
        version = "u64, version"
        text = "string, canonical configuration"
