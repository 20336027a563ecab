/* SPDX-License-Identifier: MIT */
/* The Merkle tree of RFC 6962 over a log's leaves, as they come: in memory is one hash for each power of two. On the way it
 * collects what proves that one leaf is in the tree. */
#ifndef LOG_PROOF_TREE_H
#define LOG_PROOF_TREE_H

#include "connectors/log/file/chain.h"

#define LOG_TREE_LEVELS 64
#define LOG_TREE_NOBODY UINT64_MAX

struct log_tree {
    uint64_t n;                                     /* leaves */
    unsigned char nodes[LOG_TREE_LEVELS][LOG_HASH]; /* of complete trees, the largest first; as many as n has bits */
    size_t n_nodes;
    uint64_t wanted;                               /* number of the leaf to prove, from 0; LOG_TREE_NOBODY: none */
    size_t holder;                                 /* which node has it, once it came */
    unsigned char path[LOG_TREE_LEVELS][LOG_HASH]; /* from the leaf up */
    size_t n_path;
};

void log_tree_init(struct log_tree *tree, uint64_t wanted);
/* Adds a leaf. hash: whose context makes the hashes. 0, or -1 when libcrypto fails, as below. */
int log_tree_add(struct log_tree *tree, struct log_chain *hash, const unsigned char leaf[LOG_HASH]);
/* The root over the leaves so far. Of a tree that has the wanted leaf, path is complete after it: no leaf may come any more. */
int log_tree_root(struct log_tree *tree, struct log_chain *hash, unsigned char root[LOG_HASH]);
/* The root that a leaf and its path lead to: leaf number `at` of n. 1; 0: no path of such a tree has that
 * length; -1. */
int log_tree_follow(struct log_chain *hash, const unsigned char leaf[LOG_HASH], uint64_t at, uint64_t n,
                    const unsigned char (*path)[LOG_HASH], size_t n_path, unsigned char root[LOG_HASH]);

#endif
