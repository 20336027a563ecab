/* SPDX-License-Identifier: MIT */
#include "connectors/log/proof/tree.h"

#define NODE 1 /* the first byte of what a node is the hash of; a leaf has 0 */

void log_tree_init(struct log_tree *tree, uint64_t wanted)
{
    *tree = (struct log_tree){.wanted = wanted, .holder = SIZE_MAX};
}

static void keep(struct log_tree *tree, const unsigned char *sibling)
{
    memcpy(tree->path[tree->n_path++], sibling, LOG_HASH);
}

int log_tree_add(struct log_tree *tree, struct log_chain *hash, const unsigned char leaf[LOG_HASH])
{
    if (tree->n == tree->wanted)
        tree->holder = tree->n_nodes;
    memcpy(tree->nodes[tree->n_nodes++], leaf, LOG_HASH);
    /* Two trees of one size become one, as a carry goes through the bits of a number. */
    for (uint64_t bits = tree->n++; bits & 1; bits >>= 1) {
        size_t right = --tree->n_nodes, left = right - 1;
        if (tree->holder == left)
            keep(tree, tree->nodes[right]);
        else if (tree->holder == right)
            keep(tree, tree->nodes[left]);
        if (tree->holder == right)
            tree->holder = left;
        if (log_chain_join(hash, NODE, tree->nodes[left], tree->nodes[right], tree->nodes[left]) != 0)
            return -1;
    }
    return 0;
}

/* SHA-256 of nothing. */
static const unsigned char empty[LOG_HASH] = {0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4,
                                              0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b,
                                              0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55};

int log_tree_root(struct log_tree *tree, struct log_chain *hash, unsigned char root[LOG_HASH])
{
    size_t n = tree->n_nodes;
    bool inside = n > 0 && tree->holder == n - 1;

    memcpy(root, n == 0 ? empty : tree->nodes[n - 1], LOG_HASH);
    for (size_t i = n; i-- > 1;) {
        if (inside)
            keep(tree, tree->nodes[i - 1]);
        else if (tree->holder == i - 1)
            keep(tree, root);
        inside |= tree->holder == i - 1;
        if (log_chain_join(hash, NODE, tree->nodes[i - 1], root, root) != 0)
            return -1;
    }
    return 0;
}

/* RFC 9162, 2.1.3.2: `at` is the place of the leaf, `last` that of the last one, on each level up. */
int log_tree_follow(struct log_chain *hash, const unsigned char leaf[LOG_HASH], uint64_t at, uint64_t n,
                    const unsigned char (*path)[LOG_HASH], size_t n_path, unsigned char root[LOG_HASH])
{
    uint64_t last = n - 1;

    if (at >= n)
        return 0;
    memcpy(root, leaf, LOG_HASH);
    for (size_t i = 0; i < n_path; i++) {
        bool is_right = at & 1 || at == last;
        if (last == 0)
            return 0;
        if (log_chain_join(hash, NODE, is_right ? path[i] : root, is_right ? root : path[i], root) != 0)
            return -1;
        /* The last one of a level without a sibling goes up as it is. */
        while (is_right && !(at & 1) && at != 0) {
            at >>= 1;
            last >>= 1;
        }
        at >>= 1;
        last >>= 1;
    }
    return last == 0;
}
