//! One page of a table or an index of SQLite (<https://sqlite.org/fileformat2.html#b_tree_pages>).

use super::form::varint;
use super::{Doubt, Sure};

/// What lies before the tree in the first page.
pub(super) const FILE_HEADER: usize = 100;

/// No row of a log comes near this; one that says so could be made of pages that point to each other.
const LARGEST_ROW: usize = 16 << 20;

/// What a tree is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tree {
    Table,
    Index,
}

impl Tree {
    /// How many bytes of a row its page holds, the others being in pages of their own.
    const fn local(self, row: usize, page: usize) -> usize {
        let most = match self {
            Self::Table => page - 35,
            Self::Index => (page - 12) * 64 / 255 - 23,
        };
        let least = (page - 12) * 32 / 255 - 23;
        if row <= most {
            return row;
        }
        let wanted = least + (row - least) % (page - 4);
        if wanted <= most { wanted } else { least }
    }

    const fn mark(self, is_leaf: bool) -> u8 {
        match (self, is_leaf) {
            (Self::Table, true) => 0x0d,
            (Self::Table, false) => 0x05,
            (Self::Index, true) => 0x0a,
            (Self::Index, false) => 0x02,
        }
    }
}

/// Where a row lies in its page.
pub(super) struct Stored {
    pub(super) at: usize,
    pub(super) local: usize,
    pub(super) length: usize,
}

/// A page of a tree.
pub(super) struct Node<'a> {
    pub(super) bytes: &'a [u8],
    tree: Tree,
    pub(super) is_leaf: bool,
    /// How many there are: of a leaf rows, of other pages what stands between two children.
    pub(super) cells: usize,
    /// Where the page says where those lie.
    table: &'a [u8],
    /// The last child, of pages that are no leaf.
    rightmost: u32,
}

impl<'a> Node<'a> {
    pub(super) fn any(bytes: &'a [u8], tree: Tree, page: u32) -> Sure<Self> {
        let start = if page == 1 { FILE_HEADER } else { 0 };
        let header = bytes.get(start..start + 12).ok_or(Doubt)?;
        let is_leaf = header[0] == tree.mark(true);
        if !is_leaf && header[0] != tree.mark(false) {
            return Err(Doubt);
        }
        let cells = usize::from(u16::from_be_bytes([header[3], header[4]]));
        let begin = start + if is_leaf { 8 } else { 12 };
        let table = bytes.get(begin..begin + 2 * cells).ok_or(Doubt)?;
        let rightmost = u32::from_be_bytes([header[8], header[9], header[10], header[11]]);
        Ok(Self { bytes, tree, is_leaf, cells, table, rightmost })
    }

    /// A page of which it is known whether it must be a leaf.
    pub(super) fn at(bytes: &'a [u8], tree: Tree, page: u32, is_leaf: bool) -> Sure<Self> {
        Self::any(bytes, tree, page)
            .and_then(|node| if node.is_leaf == is_leaf { Ok(node) } else { Err(Doubt) })
    }

    fn place(&self, cell: usize) -> Sure<usize> {
        let place = self.table.get(2 * cell..2 * cell + 2).ok_or(Doubt)?;
        Ok(usize::from(u16::from_be_bytes([place[0], place[1]])))
    }

    pub(super) fn page_at(&self, at: usize) -> Sure<u32> {
        let number = self.bytes.get(at..at + 4).ok_or(Doubt)?;
        Ok(u32::from_be_bytes([number[0], number[1], number[2], number[3]]))
    }

    fn varint(&self, at: usize) -> Sure<(u64, usize)> {
        varint(self.bytes.get(at..).ok_or(Doubt)?).map(|(number, taken)| (number, at + taken))
    }

    /// The child before a cell; behind the last cell there is one more.
    pub(super) fn child(&self, cell: usize) -> Sure<u32> {
        if cell == self.cells { Ok(self.rightmost) } else { self.page_at(self.place(cell)?) }
    }

    /// The number of a row of a table, or that up to which a child goes.
    pub(super) fn key(&self, cell: usize) -> Sure<i64> {
        let mut at = self.place(cell)?;
        at = if self.is_leaf { self.varint(at)?.1 } else { at + 4 };
        self.varint(at).map(|(key, _)| key.cast_signed())
    }

    pub(super) fn stored(&self, cell: usize) -> Sure<Stored> {
        let at = self.place(cell)? + if self.is_leaf { 0 } else { 4 };
        let (length, mut at) = self.varint(at)?;
        if self.tree == Tree::Table {
            at = self.varint(at)?.1;
        }
        let length = usize::try_from(length).ok().filter(|it| *it <= LARGEST_ROW).ok_or(Doubt)?;
        Ok(Stored { at, local: self.tree.local(length, self.bytes.len()), length })
    }
}
