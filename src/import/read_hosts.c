/* Names by GUID (--hosts): a line a device, GUID and name, as infiniband-diags' node-name-map
 * has them and as anybody writes them; and what a GUID looks like. */
#include <ctype.h>
#include <string.h>

#include "import/readers.h"

/* The GUID of the device itself or of one of its ports; a card's GUID may stand for two devices. */
static bool is_device_guid(const struct ms_map_nic *nic, uint64_t guid)
{
    const char *end, *id = nic->id[0] && nic->id[1] == '-' ? nic->id + 2 : nic->id;
    for (int k = 0; k < MS_NIC_GUIDS; k++)
        if (nic->guid[k] == guid)
            return true;
    return ms_guid_parse(id, &end) == guid;
}

static void name_nic(struct ms_map *m, int nic, int node, const char *name)
{
    m->nic[nic].node = node;
    if (*name)
        m->nic[nic].name = ms_arena_strdup(&m->arena, name);
    m->failed |= !m->nic[nic].name;
}

/* Name every NIC of that GUID, those of a card where no device has it. @return how many */
static int name_nics(struct ms_map *m, uint64_t guid, const char *host, const char *nic)
{
    int n = 0;
    for (int card = 0; card < 2 && n == 0; card++)
        for (int i = 0; i < m->n_nics && !m->failed; i++)
            if (card ? m->nic[i].card_guid == guid : is_device_guid(&m->nic[i], guid)) {
                name_nic(m, i, ms_map_node(m, host), nic);
                n++;
            }
    return n;
}

static bool name_switch(struct ms_map *m, uint64_t guid, const char *name)
{
    const char *end;
    for (int s = 0; s < m->n_switches; s++) {
        const char *id = m->sw[s].id;
        if (ms_guid_parse(id[0] && id[1] == '-' ? id + 2 : id, &end) != guid || *end)
            continue;
        m->sw[s].name = ms_arena_strdup(&m->arena, name);
        m->failed |= !m->sw[s].name;
        return true;
    }
    return false;
}

static void strip(char *line)
{
    bool in = false;
    for (char *p = line; *p; p++) {
        in ^= *p == '"';
        if (*p == '#' && !in)
            *p = '\0';
        else if (*p == '"' || *p == ',' || *p == ';')
            *p = ' ';
        if (!*p)
            return;
    }
}

enum ms_status ms_read_hosts(struct ms_reading *r, struct ms_map *m)
{
    const char *at = r->text;
    char line[2048], host[256], nic[64];
    int n, named = 0, unknown = 0, switches = 0;
    uint64_t first = 0;
    while ((n = ms_reading_line(r, &at, line, sizeof line)) != -1) {
        if (n < 0)
            return MS_INVALID;
        strip(line);
        const char *p = line + strspn(line, " \t"), *end;
        if (!*p || !strncasecmp(p, "guid", 4))
            continue;
        uint64_t guid = ms_guid_parse(p, &end);
        if (!guid || !isspace((unsigned char)*end))
            return ms_reading_error(r, "a line must be a GUID and a name (with or without the "
                                       "device), such as 0x0c42a103005562a2 node1 mlx5_0");
        const char *name = end + strspn(end, " \t");
        if (!*name)
            return ms_reading_error(r, "no name behind the GUID");
        if (name_switch(m, guid, name)) {
            switches++;
            continue;
        }
        if (!ms_ib_names(name, host, nic, sizeof host))
            return ms_reading_error(r, "'%.60s' names no host", name);
        int found = name_nics(m, guid, host, nic);
        named += found;
        if (!found)
            first = unknown++ ? first : guid;
    }
    ms_map_fact(m, "%s: %d NICs and %d switches named by GUID (--hosts)", r->path, named, switches);
    if (unknown)
        ms_map_note(m, "%d GUIDs of %s are not in the fabric, the first %016llx", unknown, r->path,
                    (unsigned long long)first);
    if (named + switches == 0)
        return ms_reading_error(r, "none of its GUIDs is in the fabric");
    return m->failed ? MS_NOMEM : MS_OK;
}
