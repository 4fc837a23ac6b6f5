# SPDX-License-Identifier: MIT
# Files of core/space with faults to plant, a line each: what would be found if a
# statement were another.
s/^\t\tret = ioasid_claim(space, min, from, max, id, &slot);/\t{\n\t\tif (vt_plants("quota checked outside the lock")) {\n\t\t\tioasid_space_unlock(space);\n\t\t\tioasid_space_lock(space);\n\t\t}\n&\n\t}/
s/^\tstruct delivery \*delivery = elsewhere(space, id);/\tstruct delivery *delivery = vt_plants("told by two at once") ? NULL : elsewhere(space, id);/
s/ioasid_rcu_poll(space->space.rcu, sets->place\[first - 1\].cookie)/(vt_plants("index reused at once") || &)/
s/read_spid(record, spid, &generation, &again)/(!vt_plants("name looked at once") \&\& &)/
