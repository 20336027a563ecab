/* SPDX-License-Identifier: MIT */
/* Whose log it is: MySQL and MariaDB went apart in events, types and GTIDs. */
#ifndef MY_FLAVOR_H
#define MY_FLAVOR_H

enum my_flavor { MY_FLAVOR_MYSQL, MY_FLAVOR_MARIADB };

#endif
