"""The file system of a disk image, as it lies there (libos/fsformat.h). What its log holds is not in place.

    v = Volume(image)
    v.names['cat']          an inode number; v.entries(inum) for other directories
    v.blocks(inum)          its data blocks, in order, as numbers within the extent
    v.read(inum)            its bytes
"""
import collections
import struct

BLOCK = 4096
SUPER = struct.Struct('<QII8I')
INODE = struct.Struct('<HHHHQ12I')
DIRECT, POINTERS, INODES, ENTRIES = 10, 1024, 64, 256
DIR, FILE, DEVICE = 1, 2, 3
ROOT = 1

Inode = collections.namedtuple('Inode', 'type nlink size addr')


class Volume:
    """Reads what is asked for when it is asked for."""

    def __init__(self, image, name=b'fs'):
        self.image, self.start = image, None
        for at in range(32, 800, 24):
            extent, start, count = struct.unpack_from('<16sII', image, at)
            if extent.rstrip(b'\0') == name:
                self.start, self.count = start, count
        if self.start is None:
            raise LookupError('the disk has no file system')
        fields = SUPER.unpack_from(self.block(0))
        (self.nblocks, self.ninodes, self.log_start, self.log_blocks, self.inode_start, self.inode_blocks,
         self.bitmap_start, self.bitmap_blocks, self.data_start) = fields[2:]

    def block(self, number):
        at = (self.start + number) * BLOCK
        return self.image[at:at + BLOCK]

    def inode_block(self, inum):
        return self.inode_start + inum // INODES

    def inode(self, inum):
        f = INODE.unpack_from(self.block(self.inode_block(inum)), inum % INODES * INODE.size)
        return Inode(f[0], f[3], f[4], f[5:])

    def pointers(self, number):
        return struct.unpack(f'<{POINTERS}I', self.block(number))

    def blocks(self, inum):
        """Data blocks; those that lead to them are left out."""
        inode = self.inode(inum)
        found = list(inode.addr[:DIRECT])
        if inode.addr[DIRECT]:
            found += self.pointers(inode.addr[DIRECT])
        if inode.addr[DIRECT + 1]:
            for number in self.pointers(inode.addr[DIRECT + 1]):
                found += self.pointers(number) if number else ()
        return found[:-(-inode.size // BLOCK)]

    def read(self, inum):
        return b''.join(self.block(b) for b in self.blocks(inum))[:self.inode(inum).size]

    def entries(self, inum=ROOT):
        """{name: (inode number, which of the directory's blocks it is in)}, in the order in which they lie."""
        found = collections.OrderedDict()
        for index, number in enumerate(self.blocks(inum)):
            data = self.block(number)
            for at in range(0, BLOCK, 16):
                entry, name = struct.unpack_from('<H14s', data, at)
                if entry and (index * BLOCK + at) < self.inode(inum).size:
                    found[name.rstrip(b'\0').decode('latin-1')] = (entry, index)
        return found

    @property
    def names(self):
        return {name: inum for name, (inum, _) in self.entries().items()}
