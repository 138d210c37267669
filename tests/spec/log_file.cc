//  log_file.cc - ownership, write, recovery, Strong read and move on the file engine
//
//  Models two log directories (homes), two processes on the host of home 0 and one on that of home 1,
//  flock, the mark file, page cache and disk, metadata with compare-and-set, one follower. A process
//  may stand still at any step (a pause keeps its flock); crash frees the flock and leaves the page
//  cache; power loss takes any part of what was not synced. Rule names are those of PROTOCOL.md.
//
//  Checks: A1 an acked write is on the synced part of the log that metadata names, or below its
//  checkpoint (I1, I3); A2 a request is applied once (I16); A3 Strong (I10); A6 what a follower has
//  stays true (I2, I19).
//
//  Bounds: 3 requests, 4 openings or moves, 1 crash, 1 power loss, 1 move, 1 Strong read.
//  Run: ./run, or c++ -O2 log_file.cc and a.out [BUG] (0 = the protocol as it is).
//  Expected: 20 M states, 20 s; each variant is caught in at most 15 steps.
#include "explore.h"

#ifndef RECORDS
#define RECORDS 4
#endif
#ifndef OPENINGS
#define OPENINGS 5
#endif
enum { NREQ = 3, MAXE = OPENINGS, LEN = RECORDS, NPROC = 3, NREAD = 1 };
enum bug { NONE, ACK_BEFORE_SYNC, SERVE_UNSYNCED, NO_MARK_CHECK, WINDOW_NOT_SAVED, MOVE_WITHOUT_STOP,
           MOVE_BY_FORCE, ANSWER_AFTER_MOVE, BUGS };
static const char *bug_text [] = { "protocol", "(a) ack before sync", "recovery serves what is not synced",
    "epoch in the mark file not compared", "(g) dedup window not saved", "move without stopping first",
    "coordinator moves the log of a paused owner", "(f) flock alone answers Strong, after a move" };
static int BUG;

enum { DOWN, CLAIMED, LOCKED, OPEN, CLOSING, SENT };
static byte home_of (int i) { return i == 2; }
struct process {
    byte st, ep;
    byte win [NREQ];                    //  dedup window
    byte fseq, freq;                    //  append in flight
};
struct home {
    byte base;                          //  seq before the first record; 255 = directory not made
    byte n, d;                          //  written, synced (counts above base)
    byte rec [LEN];                     //  request + 1 by position
    byte mark;                          //  mark file: epoch of the last opening (synced)
    byte lock;                          //  flock: process + 1
};
struct state {
    process p [NPROC];
    home h [2];
    byte epoch, at, mbase;              //  metadata: epoch, home, seq before this home's first record
    byte cseq, cwin [NREQ];             //  metadata: checkpoint
    byte sent, acked [NREQ];
    byte rd, need, reads;
    byte fol, frec [LEN + 1];           //  follower: applied seq, what it applied at each
    byte tx;                            //  move transaction on its way: its epoch, 0 = none
    byte done;                          //  ghost: requests whose record is for ever (bits)
    byte crashed, power, moved;         //  budgets
};
static void check (const state &s) {
    const home &h = s.h [s.at];
    for (int r = 0; r < NREQ; r++) {
        if (!s.acked [r]) continue;
        int i = s.acked [r] - h.base - 1;
        bool there = s.acked [r] <= s.cseq
            || (h.base != 255 && i >= 0 && i < h.d && h.rec [i] == r + 1);
        CHECK (there, "A1 an acked write is not in the log");
    }
    for (int q = 1; q <= s.fol; q++) {
        int i = q - h.base - 1;
        if (h.base != 255 && i >= 0 && q > s.cseq) CHECK (i < h.d && h.rec [i] == s.frec [q], "A6 a follower has what the log has not");
    }
}
static byte last (const home &h) { return (byte) (h.base + h.n); }
static void crash (state &n, int i) {
    if (n.h [home_of (i)].lock == i + 1) n.h [home_of (i)].lock = 0;
    memset (&n.p [i], 0, sizeof n.p [i]);
}
static void ack (state &n, int r, byte seq) {
    CHECK (!n.acked [r] || n.acked [r] == seq, "A2 one request acked at two seqs");
    n.acked [r] = seq;
}
static void next (const state &s, explorer<state> &x) {
    for (int i = 0; i < NPROC; i++) {
        const process &p = s.p [i];
        const byte at = home_of (i);
        const home &h = s.h [at];
        bool open = p.st == OPEN;
        RULE ("K1 open: epoch + 1 by compare-and-set, home = mine", p.st == DOWN && s.epoch < MAXE && s.at == at) {
            n.p [i].st = CLAIMED;
            n.p [i].ep = ++n.epoch;
        }
        RULE ("L1 take the flock", p.st == CLAIMED && !h.lock) {
            n.h [at].lock = (byte) (i + 1);
            n.p [i].st = LOCKED;
        }
        RULE ("L2 mark has a greater epoch: give up", p.st == LOCKED && h.mark > p.ep && BUG != NO_MARK_CHECK) crash (n, i);
        RULE ("L3 make the directory at metadata's base", p.st == LOCKED && h.base == 255 && s.at == at) {
            n.h [at].base = s.mbase;
        }
        RULE ("L4 recover: read, sync, mark, window", p.st == LOCKED && h.base != 255 && (h.mark <= p.ep || BUG == NO_MARK_CHECK)) {
            process &q = n.p [i];
            q.st = OPEN;
            n.h [at].mark = p.ep;
            if (BUG != SERVE_UNSYNCED) {
                n.h [at].d = h.n;
                for (int k = 0; k < h.n; k++) n.done |= (byte) (1 << (h.rec [k] - 1));
            }
            if (BUG != WINDOW_NOT_SAVED) memcpy (q.win, s.cwin, NREQ);
            for (int k = 0; k < h.n; k++) q.win [h.rec [k] - 1] = (byte) (h.base + k + 1);
        }
        for (byte r = 0; r < NREQ; r++) {
            RULE ("W2 seen before: same answer", open && s.sent > r && p.win [r] && !s.acked [r] && p.fseq != p.win [r]) ack (n, r, p.win [r]);
            RULE ("W3 append at last + 1", open && s.sent > r && !p.win [r] && !p.fseq && h.n < LEN) {
                CHECK (!(s.done >> r & 1), "A2 one request applied twice");
                n.h [at].rec [n.h [at].n++] = (byte) (r + 1);
                n.p [i].fseq = last (n.h [at]);
                n.p [i].freq = r;
                n.p [i].win [r] = n.p [i].fseq;
                if (BUG == ACK_BEFORE_SYNC) ack (n, r, n.p [i].fseq);
            }
        }
        RULE ("W4 synced: ack", p.fseq && p.st >= OPEN) {
            n.h [at].d = h.n;
            n.done |= (byte) (1 << p.freq);
            ack (n, p.freq, p.fseq);
            n.p [i].fseq = n.p [i].freq = 0;
        }
        RULE ("F5 commit checkpoint", open && !p.fseq && s.epoch == p.ep && s.cseq < last (h)) {
            n.cseq = last (h);
            memcpy (n.cwin, p.win, NREQ);
        }
        RULE ("F6 trim below the committed checkpoint", (open || p.st == CLOSING) && !p.fseq && h.base < s.cseq && s.at == at) {
            home &g = n.h [at];
            int cut = s.cseq - h.base;
            memmove (g.rec, g.rec + cut, (size_t) (LEN - cut));
            memset (g.rec + LEN - cut, 0, (size_t) cut);
            g.base = s.cseq;
            g.n = (byte) (h.n - cut), g.d = (byte) (h.d - cut);
        }
        RULE ("M1 stop: no new writes", open && !p.fseq && !s.moved && at == 0) n.p [i].st = CLOSING;
        RULE ("M2 flush to the last seq", p.st == CLOSING && s.epoch == p.ep && s.cseq < last (h)) {
            n.cseq = last (h);
            memcpy (n.cwin, p.win, NREQ);
        }
        RULE ("M3 all flushed: from here on no ack, no Strong answer; send the transaction",
              p.st == CLOSING && s.epoch == p.ep && s.cseq == last (h)) {
            n.p [i].st = SENT;
            n.tx = p.ep;
            n.moved = 1;
        }
        RULE ("M5 no answer to it: open again at a new epoch", p.st == SENT) crash (n, i);
        RULE ("   move sent while writes go on", BUG == MOVE_WITHOUT_STOP && open && !s.moved && at == 0 && s.cseq) n.tx = p.ep, n.moved = 1;
        RULE ("   move sent by the coordinator", BUG == MOVE_BY_FORCE && open && !s.moved && at == 0 && s.cseq == last (h)) n.tx = p.ep, n.moved = 1;
        RULE ("S2 answer last synced: flock held, nothing sent that gives it up",
              s.rd && h.lock == i + 1 && (open || p.st == CLOSING || (BUG == ANSWER_AFTER_MOVE && p.st == SENT))) {
            CHECK (h.base + h.d >= s.need, "A3 Strong answer misses an acked write");
            n.rd = n.need = 0;
        }
        RULE ("Y2 follower takes a synced record", s.at == at && p.st >= OPEN && p.st < SENT && s.fol >= h.base && s.fol < h.base + (BUG == SERVE_UNSYNCED ? h.n : h.d)) {
            n.fol++;
            n.frec [n.fol] = h.rec [n.fol - h.base - 1];
        }
        RULE ("K6 crash", p.st != DOWN && !s.crashed) {
            n.crashed = 1;
            crash (n, i);
        }
    }
    RULE ("Y4 follower is told TRIMMED: start again at the checkpoint", s.fol < s.cseq) {
        n.fol = s.cseq;
        memset (n.frec, 0, sizeof n.frec);
    }
    for (int keep = 0; keep < 2; keep++)
        RULE ("N4 power loss on host 0", !s.power && (keep || s.h [0].n > s.h [0].d)) {
            n.power = 1;
            crash (n, 0);
            crash (n, 1);
            home &g = n.h [0];
            if (!keep) { memset (g.rec + g.d, 0, (size_t) (LEN - g.d)); g.n = g.d; }
            else { g.d = g.n; for (int k = 0; k < g.n; k++) n.done |= (byte) (1 << (g.rec [k] - 1)); }
        }
    RULE ("M4 move commits: epoch compared; home, epoch + 1, base = checkpoint", s.tx && s.tx == s.epoch && s.at == 0 && s.epoch < MAXE) {
        n.at = 1;
        n.epoch++;
        n.mbase = s.cseq;
        n.tx = 0;
    }
    RULE ("W1 client sends a request", s.sent < NREQ) n.sent++;
    RULE ("S1 Strong read begins", !s.rd && s.reads < NREAD) {
        n.rd = ++n.reads;
        for (byte a : s.acked) if (a > n.need) n.need = a;
    }
}
static void print (const state &s) {
    for (int k = 0; k < 2; k++) {
        printf ("    home %d: base %d written %d synced %d mark %d lock %d:", k, s.h [k].base, s.h [k].n, s.h [k].d, s.h [k].mark, s.h [k].lock);
        for (int i = 0; i < s.h [k].n; i++) printf (" r%d", s.h [k].rec [i] - 1);
        printf ("\n");
    }
    printf ("    metadata: epoch %d home %d base %d checkpoint %d\n", s.epoch, s.at, s.mbase, s.cseq);
}
int main (int argc, char **argv) {
    BUG = argc > 1 ? atoi (argv [1]) : 0;
    if (BUG >= BUGS) return 3;
    static explorer<state> x;
    state first;
    memset (&first, 0, sizeof first);
    first.h [1].base = 255;
    return x.run ((std::string ("log_file: ") + bug_text [BUG]).c_str (), first, next, 60000000, argc > 2, print);
}
