# SPDX-License-Identifier: MIT
"""Why bars are missed, by their kind: causes only, figures are the run's."""

WHY = {
    "update": ("Updates against Linux", """
A pair here is two critical sections of one atomic read-modify-write each, and
one compare-and-swap because references are taken without the lock. The peer is
built as fairly as bench/peers/linux says (slab caches, batches reclaimed at
once, the walk inlined). With these three alone, whatever the store does, the
bars are out of reach. hash finds the lowest vacant ID apart from the table that
has the slots."""),
    "levels": ("Updates of the hash against radix", """
The hash keeps the words that say which IDs are in use apart from the slots: an
update touches both, and at a size that no cache holds, both miss. radix has
them side by side in a leaf that neighbours share."""),
    "linux": ("Radix against linux_ioasid", """
Both are trees. Where all fits the first-level cache, a lookup is a few
dependent loads against a few more."""),
    "floor": ("Lookups against a plain array", """
The array is one load from a known place. A lookup that checks its owner finds
the store, compares the state word twice and loads the pointer between: where
nothing misses a cache, these instructions are what is measured. At 1,000,000
IDs all pay their misses, and where one came out slower the run shows how much
two pieces of memory of one virtual machine differ (huge pages of the guest need
not be huge on its host): at this size trust only what repeats."""),
    "replay": ("Recorded builds", """
Few processes live at a time, so all is in the first-level cache: what is
measured is instructions, of which one allocation and one free weigh as much as
many lookups."""),
    "hash": ("Hash against other tables", """
With so few IDs that all is in the first-level cache, a hash table costs its
instructions: those of any store's lookup come to those of the table, the check
of the owner among them."""),
    "section": ("What a section of epoch adds", """
Two stores to a line of the thread's own. A chain of lookups waits for its loads
meanwhile; lookups that overlap (stream) compete with them for the store
buffer."""),
    "writer": ("Readers beside a writer", """
In the hash, slots of readers and writer share cache lines, as IDs are placed at
random; a line just written on the other processor is fetched from there. Of the
32 lookups whose median is taken, some always meet one. Dense stores keep a
writer's range apart: what they pay is the machine's, caches and memory shared
with another busy thread."""),
    "tail": ("The slowest in ten thousand", """
Two samples of a run: where a lookup meets the writer's lines a few times over,
or the system takes the CPU away meanwhile. The array has one load a lookup to
be met in, a tree one a level, and the hash shares its lines with the writer."""),
    "wait": ("Waiting for a grace period", """
Who waits polls under the lock of the domain, and with epoch calls membarrier(2)
holding it: callers share grace periods, but more of them than there are CPUs
take turns at the lock, where of liburcu's one works for all that have queued.
Beside a thread that reads without pause, the time is that from one look at it
to the next."""),
    "memory": ("Memory", """
A slot is 16 bytes; the rest is words of occupancy, and what a table keeps free
so as to be short of probes."""),
}


def missed(groups):
    """Kinds of which some bar is missed, in the order of the groups."""
    kinds = []
    for group in groups:
        if any(b.met is False for b in group) and group[0].kind not in kinds:
            kinds.append(group[0].kind)
    return kinds


def text(kind):
    return " ".join(WHY[kind][1].split())
