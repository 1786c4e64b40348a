/* Copyright (c) 2026 the atlas.x509 contributors
 * GNU General Public License v3.0-or-later (see COPYING)
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * As much of libselinux as Ansible loads, for a kernel without SELinux: it says that SELinux is on, has a policy of one line, and keeps
 * contexts where SELinux keeps them, in the attribute security.selinux of the file. Nothing is enforced. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/xattr.h>

#define ATTRIBUTE "security.selinux"
#define USUAL "system_u:object_r:cert_t:s0"
#define UNLABELED "system_u:object_r:unlabeled_t:s0"

int is_selinux_enabled(void) { return 1; }
int is_selinux_mls_enabled(void) { return 1; }
int security_policyvers(void) { return 33; }
int security_getenforce(void) { return 0; }
int selinux_getenforcemode(int *mode) { *mode = 0; return 0; }
int selinux_getpolicytype(char **type) { *type = strdup("targeted"); return 0; }
void freecon(char *context) { free(context); }

int matchpathcon(const char *path, mode_t mode, char **context)
{
    (void)path; (void)mode;
    *context = strdup(USUAL);
    return 0;
}

int lgetfilecon_raw(const char *path, char **context)
{
    char found[256] = "";
    if (lgetxattr(path, ATTRIBUTE, found, sizeof(found) - 1) < 0) {
        if (errno != ENODATA)
            return -1;
        strcpy(found, UNLABELED);
    }
    *context = strdup(found);
    return (int)strlen(found) + 1;
}

int lsetfilecon(const char *path, const char *context)
{
    return lsetxattr(path, ATTRIBUTE, context, strlen(context) + 1, 0);
}
