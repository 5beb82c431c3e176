//! Parquet: one row group for each batch, compressed by Snappy. What is missing is null, and NaN
//! and the infinities are numbers.

use super::{Batch, Cells, Sink, Typed};
use blowup_core::failure::Failure;
use blowup_core::record::column::ColumnKind;
use blowup_core::store::Replacement;
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file that is being written.
pub struct Parquet {
    writer: SerializedFileWriter<Replacement>,
    path: PathBuf,
}

impl Parquet {
    /// # Errors
    /// If the file cannot be written. `path` is its name in messages.
    pub fn new(file: Replacement, path: &Path, columns: &[Typed]) -> Result<Parquet, Failure> {
        let fields = columns.iter().map(field).collect::<Result<_, _>>();
        let schema = fields.and_then(|fields| Type::group_type_builder("schema").with_fields(fields).build());
        let properties = WriterProperties::builder()
            .set_created_by(concat!("blowup ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::SNAPPY)
            .build();
        let open = |schema: Type| SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties));
        let writer = schema.and_then(open).map_err(|error| wrong(path, &error))?;
        Ok(Parquet { writer, path: path.to_owned() })
    }
}

fn wrong(path: &Path, error: &ParquetError) -> Failure {
    Failure::new(format!("cannot write `{}`: {error}", path.display()))
}

/// A column, which may have nulls.
fn field(column: &Typed) -> Result<Arc<Type>, ParquetError> {
    let (physical, logical) = match column.kind {
        ColumnKind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        ColumnKind::Integer => (Physical::INT64, None),
        ColumnKind::Float => (Physical::DOUBLE, None),
        ColumnKind::Boolean => (Physical::BOOLEAN, None),
    };
    let builder = Type::primitive_type_builder(&column.name, physical).with_repetition(Repetition::OPTIONAL);
    builder.with_logical_type(logical).build().map(Arc::new)
}

impl Sink for Parquet {
    fn put(&mut self, batch: &Batch) -> Result<(), Failure> {
        let mut put = || -> Result<(), ParquetError> {
            let mut group = self.writer.next_row_group()?;
            for cells in batch {
                match cells {
                    Cells::Text(cells) => {
                        let bytes = |text: &Option<String>| text.as_ref().map(|text| ByteArray::from(text.as_str()));
                        write::<ByteArrayType>(&mut group, cells.iter().map(bytes))
                    }
                    Cells::Integer(cells) => write::<Int64Type>(&mut group, cells.iter().copied()),
                    Cells::Float(cells) => write::<DoubleType>(&mut group, cells.iter().copied()),
                    Cells::Boolean(cells) => write::<BoolType>(&mut group, cells.iter().copied()),
                }?;
            }
            group.close().map(|_| ())
        };
        put().map_err(|error| wrong(&self.path, &error))
    }

    fn finish(self: Box<Self>) -> Result<(), Failure> {
        let Parquet { writer, path } = *self;
        writer.into_inner().map_err(|error| wrong(&path, &error))?.finish()
    }
}

/// Writes the next column of a row group.
fn write<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Replacement>,
    cells: impl Iterator<Item = Option<T::T>>,
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General("there are more cells than columns".to_owned()));
    };
    let (mut values, mut there) = (Vec::new(), Vec::new());
    for cell in cells {
        // A definition level of 0 says that the value is null.
        there.push(i16::from(cell.is_some()));
        values.extend(cell);
    }
    column.typed::<T>().write_batch(&values, Some(&there), None)?;
    column.close()
}
