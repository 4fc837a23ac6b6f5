# SPDX-License-Identifier: MIT
# core/space/owner.c with faults to plant, a line each: what would be found if a
# statement were another.
s/ioasid_rcu_poll(space->space.rcu, sets->place\[first - 1\].cookie)/(model_plants("index reused at once") || &)/
s/^\t\tgive_place(space, record->index);/\t\tif (!model_plants("index lost"))\n\t&/
s/^\tioasid_rcu_retire(/\tif (model_plants("record freed at once"))\n\t\trecord_free(\&record->rcu);\n\telse\n\t&/
